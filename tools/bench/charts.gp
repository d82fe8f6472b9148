# SPDX-License-Identifier: GPL-2.0
#
# Draws what tools/bench-report has put into folder/data/. It sets: folder; kernels; bars
# ("one", or "one two" if two CPUs were measured); max_one_N, max_two_N and min_two_N, the
# longest and the shortest bar of the Nth kernel; and the colours of the curves in each of
# distribution.dat, size.dat and throughput.dat.
#
# Colours are Okabe and Ito's, which colour-blind people can tell apart; the background
# is white, also where the page around it is dark.

ink = '#222222'
grid = '#dddddd'

set encoding utf8
set datafile separator "\t"
set tics nomirror textcolor rgb ink
set key textcolor rgb ink
set border lc rgb '#888888'

svg(w, h) = sprintf("set terminal svg size %d,%d dynamic enhanced font 'DejaVu Sans,Helvetica,Arial,sans-serif,13' background '#ffffff' rounded", w, h)
png(w, h) = sprintf("set terminal pngcairo size %d,%d enhanced font 'DejaVu Sans,13' fontscale 1.5 linewidth 1.5 background '#ffffff' rounded", w * 3 / 2, h * 3 / 2)
name(file, type) = folder.'/'.file.'.'.type

colour(kind) = kind == 0 ? 0xd55e00 : kind == 1 ? 0xf0b27a : kind == 2 ? 0x0072b2 : 0x999999

# Bars, a panel for each kernel.

set style fill solid 1.0 noborder
do for [type in "svg png"] {
	do for [chart in bars] {
		file = chart eq 'one' ? 'round-trip' : 'two-cpus'
		n = words(kernels)
		eval(type eq 'svg' ? svg(520 * n, 540) : png(520 * n, 540))
		set output name(file, type)
		head = chart eq 'one' ? "A call and its answer, 64 bytes, two processes on one CPU: shorter is better" : \
			"A call and its answer, 64 bytes, between two CPUs: shorter is better"
		foot = chart eq 'one' ? "instructions executed, kernel and user, median; a white mark is the least of all batches. Grey: what no mechanism can be below" : \
			"time as a multiple of vipc's on two emulated CPUs, medians of 5 runs; a white mark is the least. Logarithmic scale"
		set multiplot layout 1,n margins 0.16,0.965,0.1,0.84 spacing 0.18,0
		set label 1 head at screen 0.5,0.965 center font ":Bold,15" textcolor rgb ink
		set label 2 foot at screen 0.5,0.035 center textcolor rgb '#555555' font ",11"
		set ytics noenhanced font ",12" scale 0
		do for [i = 1:n] {
			k = word(kernels, i)
			data = folder.'/data/'.chart.'-'.k.'.dat'
			stats data using 1 nooutput
			rows = STATS_records
			set title 'Linux '.k font ",14" textcolor rgb ink
			set yrange [0.4:rows + 0.6]
			unset key
			unset border
			set xtics format ""
			set grid xtics lc rgb grid lt 1
			if (chart eq 'one') {
				unset logscale x
				top = value('max_one_'.i)
				set xrange [0:top * 1.17]
				set xtics 10000 scale 0
				right = top * 0.012
				plot data using (0):1:(0):2:($1 - 0.38):($1 + 0.38):(colour($4)):ytic(6) with boxxyerror lc rgb variable, \
					data using ($3 < 0.985 * $2 ? $3 : NaN):($1 - 0.3):(0):(0.6) with vectors nohead lc rgb '#ffffff' lw 2, \
					data using ($2 + right):1:5 with labels left font ",11" textcolor rgb ink
			} else {
				set logscale x 10
				top = value('max_two_'.i)
				low = value('min_two_'.i)
				low = low > 0.2 ? 0.1 : low / 2
				set xrange [low:top * (top / low) ** 0.17]
				set xtics 10 scale 0
				plot data using (low):1:(low):2:($1 - 0.38):($1 + 0.38):(colour($4)):ytic(6) with boxxyerror lc rgb variable, \
					data using ($3 < 0.985 * $2 ? $3 : NaN):($1 - 0.3):(0):(0.6) with vectors nohead lc rgb '#ffffff' lw 2, \
					data using ($2 * 1.06):1:5 with labels left font ",11" textcolor rgb ink
			}
			unset label 1
			unset label 2
		}
		unset multiplot
		unset logscale x
		unset title
	}
}

# Curves, of the last kernel.

newest = word(kernels, words(kernels))
set border 3 lc rgb '#888888'
set yrange [*:*]
set key outside right center reverse Left samplen 2.5 spacing 1.3
unset label
unset grid
set grid ytics xtics lc rgb grid lt 1
set tics format "%h" scale 0.5
set xtics autofreq
set ytics autofreq

do for [type in "svg png"] {
	eval(type eq 'svg' ? svg(900, 500) : png(900, 500))
	set margins 15,22,4.5,3.5

	set output name('distribution', type)
	set title "How long single calls take, 64 bytes, one CPU, Linux ".newest.": lower is better" font ":Bold,13"
	set logscale x 10
	set logscale y 10
	set xlabel "share of the calls that are faster" textcolor rgb ink
	set ylabel "instructions" textcolor rgb ink
	set xrange [1.5:20000]
	set yrange [5000:*]
	set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)
	set ytics ("5,000" 5000, "7,000" 7000, "10,000" 10000, "15,000" 15000, "20,000" 20000, "30,000" 30000, "40,000" 40000, "60,000" 60000, "100,000" 100000)
	plot for [i = 0:words(distribution_hues) - 1] folder.'/data/distribution.dat' index i using 1:2 with steps \
		lc rgb word(distribution_hues, i + 1) lw (i == 0 ? 4 : 2) title columnheader(1)

	set output name('size', type)
	set title "A call and its answer by size, one CPU, Linux ".newest.": lower is better" font ":Bold,13"
	set logscale x 2
	set xlabel "size of request and answer" textcolor rgb ink
	set ylabel "instructions, median" textcolor rgb ink
	set xrange [45:1500000]
	set yrange [5000:*]
	set xtics ("64 B" 64, "4 KiB" 4096, "64 KiB" 65536, "1 MiB" 1048576)
	set ytics ("5,000" 5000, "10,000" 10000, "30,000" 30000, "100,000" 100000, "300,000" 300000, "1,000,000" 1000000, "3,000,000" 3000000)
	plot for [i = 0:words(size_hues) - 1] folder.'/data/size.dat' index i using 1:2 with linespoints \
		lc rgb word(size_hues, i + 1) lw (i == 0 ? 3 : 2) pt i + 4 ps 1.1 title columnheader(1)

	set output name('throughput', type)
	set title "Clients of one server thread, 64 bytes, one CPU, Linux ".newest.": higher is better" font ":Bold,13"
	unset logscale y
	set xlabel "client processes" textcolor rgb ink
	set ylabel "round trips in a million instructions" textcolor rgb ink
	set xrange [0.9:72]
	set yrange [0:*]
	set xtics (1, 2, 4, 8, 16, 32, 64)
	set ytics autofreq
	plot for [i = 0:words(throughput_hues) - 1] folder.'/data/throughput.dat' index i using 1:2 with linespoints \
		lc rgb word(throughput_hues, i + 1) lw (i == 0 ? 3 : 2) pt i + 4 ps 1.1 title columnheader(1)
	set yrange [*:*]
}
