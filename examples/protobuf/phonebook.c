// SPDX-License-Identifier: MIT
/*
 * phonebook: a service in protobuf's language (phonebook.proto) over vipc. What
 * implements it knows nothing of vipc, and who calls it hardly more.
 *
 *	phonebook serve PATH
 *	phonebook add PATH NAME NUMBER...
 *	phonebook find PATH PREFIX
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vipc_name.h>
#include <vipc_protobuf.h>
#include "phonebook.pb-c.h"

#define MAX_PEOPLE	1000
#define MAX_REQUEST	4096
#define MAX_REPLY	65536
#define PATIENCE_NS	10000000000ull

/* ---- the service: plain protobuf-c ---- */

static Phonebook__Person *people[MAX_PEOPLE];
static size_t count;

/* What came is gone when the method returns: keep what it packs to. */
static Phonebook__Person *copy_of(const Phonebook__Person *person)
{
	size_t len = phonebook__person__get_packed_size(person);
	Phonebook__Person *copy = NULL;
	uint8_t *packed = malloc(len + 1);

	if (packed) {
		phonebook__person__pack(person, packed);
		copy = phonebook__person__unpack(NULL, len, packed);
	}
	free(packed);
	return copy;
}

static void phonebook_add(Phonebook__Phonebook_Service *service,
			  const Phonebook__Person *person,
			  Phonebook__Added_Closure closure, void *closure_data)
{
	Phonebook__Added added = PHONEBOOK__ADDED__INIT;

	(void)service;
	if (count < MAX_PEOPLE)
		people[count] = copy_of(person);
	if (count == MAX_PEOPLE || !people[count]) {
		closure(NULL, closure_data);
		return;
	}
	added.people = (uint32_t)++count;
	closure(&added, closure_data);
}

static void phonebook_find(Phonebook__Phonebook_Service *service,
			   const Phonebook__Query *query,
			   Phonebook__People_Closure closure, void *closure_data)
{
	Phonebook__People found = PHONEBOOK__PEOPLE__INIT;
	Phonebook__Person *person[MAX_PEOPLE];
	size_t len = strlen(query->prefix);

	(void)service;
	found.person = person;
	for (size_t i = 0; i < count; i++)
		if (!strncmp(people[i]->name, query->prefix, len))
			person[found.n_person++] = people[i];
	closure(&found, closure_data);
}

static Phonebook__Phonebook_Service service = PHONEBOOK__PHONEBOOK__INIT(phonebook_);

/* ---- the server ---- */

static int serve(const char *path)
{
	struct vipc_publication *publication;
	int fd = vipc_open(O_CLOEXEC);
	int err = fd < 0 ? fd : vipc_publish(path, 0600, fd, NULL, NULL, &publication);

	if (err) {
		fprintf(stderr, "phonebook: cannot serve at %s: %s\n", path, strerror(-err));
		return 1;
	}
	/* With one thread, as the service has no locks. */
	err = vipc_protobuf_serve(fd, &service.base, MAX_REQUEST, 1);
	vipc_unpublish(publication);
	return err != 0;
}

/* ---- the client ---- */

static void show_added(const Phonebook__Added *added, void *closure_data)
{
	int *status = closure_data;

	if (!added)
		return;
	printf("client: %u in the book\n", added->people);
	*status = 0;
}

static void show_people(const Phonebook__People *found, void *closure_data)
{
	int *status = closure_data;

	if (!found)
		return;
	for (size_t i = 0; i < found->n_person; i++) {
		printf("client: %s:", found->person[i]->name);
		for (size_t j = 0; j < found->person[i]->n_number; j++)
			printf(" %s", found->person[i]->number[j]);
		putchar('\n');
	}
	*status = 0;
}

static int call(const char *path, char **args, int n)
{
	int fd = vipc_connect(path, vipc_deadline_after(PATIENCE_NS)), status = 1;
	ProtobufCService *client;
	int err = fd < 0 ? fd : vipc_protobuf_client(fd, &phonebook__phonebook__descriptor,
						     MAX_REPLY, PATIENCE_NS, &client);

	if (err) {
		fprintf(stderr, "phonebook: no server at %s: %s\n", path, strerror(-err));
		return 1;
	}
	if (n > 1) {
		Phonebook__Person person = PHONEBOOK__PERSON__INIT;

		person.name = args[0];
		person.number = args + 1;
		person.n_number = (size_t)n - 1;
		phonebook__phonebook__add(client, &person, show_added, &status);
	} else {
		Phonebook__Query query = PHONEBOOK__QUERY__INIT;

		query.prefix = args[0];
		phonebook__phonebook__find(client, &query, show_people, &status);
	}
	if (status)
		fprintf(stderr, "phonebook: %s\n", strerror(-vipc_protobuf_error()));
	protobuf_c_service_destroy(client);
	return status;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc > 4 && !strcmp(argv[1], "add"))
		return call(argv[2], argv + 3, argc - 3);
	if (argc == 4 && !strcmp(argv[1], "find"))
		return call(argv[2], argv + 3, 1);
	fputs("usage: phonebook serve PATH\n"
	      "       phonebook add PATH NAME NUMBER...\n"
	      "       phonebook find PATH PREFIX\n", stderr);
	return 2;
}
