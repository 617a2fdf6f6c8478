/* The CNI plugin: environment and JSON -> request, result -> JSON, by the SPEC.md of CNI 0.4.0 to 1.1.0.  Called by
 * main when CNI_COMMAND is set; host side. */
#ifndef NETSETUP_FACE_CNI_H
#define NETSETUP_FACE_CNI_H

#include "netsetup/request.h"

#include <stdio.h>

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS, CNI_VERSION };

/* The codes of the specification, and from 100 on our own. */
enum cni_code {
        CNI_VERSION_UNKNOWN = 1,
        CNI_UNSUPPORTED = 2,
        CNI_NO_CONTAINER = 3,
        CNI_BAD_ENVIRONMENT = 4,
        CNI_IO = 5,
        CNI_BAD_JSON = 6,
        CNI_BAD_CONFIG = 7,
        CNI_TRY_LATER = 11,
        CNI_NOT_AVAILABLE = 50, /* STATUS */
        CNI_FAILED = 100,       /* the kernel refused */
        CNI_NOT_PERMITTED = 101,
        CNI_NO_ADDRESS = 102, /* none is free */
        CNI_IN_USE = 103,     /* address or port */
        CNI_EXISTS = 104,     /* attached already, or the name is taken */
        CNI_DIFFERENT = 105,  /* CHECK */
};

/* What the environment says; NULL where it says nothing. */
struct cni_environment {
        const char *command, *container, *netns, *interface, *arguments;
};

struct cni {
        enum cni_command command;
        const char *version; /* of what is printed */
        struct cni_conf conf;
        struct net_network network;
        struct net_request request;
        struct cni_attachments valid;
        bool is_loopback;   /* of the kind: there is no network */
        enum cni_code code; /* of what failed */
};

/* cni_conf.c: reads environment and configuration.  Pure.  Fails with the record and ret->code; ret->version is good
 * then too. */
int cni_read(const struct cni_environment *environment, const char *text, size_t size, struct cni *ret);

/* The whole face, from standard input to out: 0, or 1 when it failed and has said so on out. */
int cni_main(FILE *out);

#endif
