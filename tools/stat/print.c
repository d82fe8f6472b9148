// SPDX-License-Identifier: GPL-2.0
/* vipcstat: what all views print with. */
#include <sys/ioctl.h>
#include <unistd.h>
#include "stat.h"

/* A string of JSON's; names have been made printable before. */
void print_json(const char *string)
{
	putchar('"');
	for (; *string; string++) {
		if (*string == '"' || *string == '\\')
			putchar('\\');
		putchar(*string);
	}
	putchar('"');
}

/* In five characters at most, for as long as it fits: 99999, 1234k, 1234M, ... */
const char *scaled(char *buf, size_t size, double value)
{
	static const char units[] = " kMGTPE";
	unsigned int unit = 0;

	while (value >= (unit ? 9999.5 : 99999.5) && units[unit + 1]) {
		value /= 1000;
		unit++;
	}
	if (unit)
		snprintf(buf, size, "%.0f%c", value, units[unit]);
	else
		snprintf(buf, size, "%.0f", value);
	return buf;
}

double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

bool on_terminal(unsigned int *rows)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return false;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*rows = size.ws_row ? size.ws_row : 24;
	return true;
}

/* What fills the screen begins at its top; elsewhere a blank line is between two. */
void begin_round(void)
{
	static bool begun;
	unsigned int rows;

	if (opt.json)
		return;
	if (opt.interval && on_terminal(&rows))
		fputs("\033[H\033[J", stdout);
	else if (begun)
		putchar('\n');
	begun = true;
}
