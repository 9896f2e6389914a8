/* Connections of one event loop and what watches them: the types, and what the files of this folder call in each other. */
#ifndef SLIPSTREAM_WIRE_H
#define SLIPSTREAM_WIRE_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stdint.h>

#define SMALL_READ ((size_t)32768)  /* where a reader was too slow, so that no more than this waits for it */
#define LARGE_READ ((size_t)262144) /* where one read after the other was full */
#define IN_A_ROW 4                  /* full reads, before they grow */
#define HIGH_WATER ((size_t)65536)  /* bytes that wait to be sent before the protocol is asked to pause, unless it says otherwise */
#define FEW 4                       /* pieces to be sent that need no memory of their own */

enum {
    PAUSED = 1,    /* the protocol doesn't want to read */
    READY = 2,     /* there may be something to read that nobody has looked at */
    READ_END = 4,  /* the peer has ended its side */
    HANGS_UP = 8,  /* an end, an error or urgent data is among what there is to read: a short read doesn't mean that it was all */
    FULL = 16,     /* the last read was */
    BLOCKED = 32,  /* the kernel takes no more for now */
    HELD = 64,     /* pause_writing was called, resume_writing wasn't yet */
    END_WANTED = 128,
    END_SENT = 256,
    CLOSING = 512, /* closes when everything is sent */
    LOST = 1024,   /* connection_lost is on its way */
    IN_READY = 2048,
    IN_DIRTY = 4096,
};

typedef struct Wire Wire;

typedef struct {
    Wire **at; /* each a strong reference */
    size_t count, room;
} Queue;

typedef struct {
    PyObject_HEAD
    int fd;             /* of epoll */
    int running;        /* what is written waits until the turn ends */
    int scheduled;      /* `run` is called soon */
    PyObject *later;    /* loop.call_soon */
    PyObject *failed;   /* told of what a protocol raised */
    Wire *first;        /* all that aren't lost yet, linked; each a strong reference */
    Queue ready, dirty, lost;
    Queue spare;        /* an empty one's memory */
    char *buffer;       /* LARGE_READ bytes, shared by all reads that aren't large */
} Poller;

struct Wire {
    PyObject_HEAD
    Poller *poller; /* strong */
    PyObject *protocol, *error;
    Wire *before, *after;
    int fd;
    uint32_t flags, in_a_row;
    size_t read_size, high, low;
    PyObject **out; /* bytes to be sent: `count` of them from `first` on */
    size_t first, count, room;
    size_t sent;   /* of the first of them */
    size_t unsent; /* of all */
    PyObject *few[FEW];
};

extern PyTypeObject Poller_Type, Wire_Type;

/* _queue.c */
int queue_push(Queue *queue, Wire *wire);
void queue_drop(Queue *queue);
Queue queue_take(Poller *self, Queue *queue);
void queue_done(Poller *self, Queue taken);

/* _turn.c */
PyObject *poller_run(Poller *self, PyObject *ignored);
void poller_schedule(Poller *self);
void poller_failed(Poller *self, Wire *wire);
void wire_lose(Wire *self, PyObject *error);

/* _flow.c */
void wire_read(Wire *self);
void wire_flush(Wire *self);
int wire_append(Wire *self, PyObject *data);
void wire_forget_output(Wire *self);
void wire_call(Wire *self, PyObject *name);
PyObject *os_error(int number);

/* _transport.c */
Wire *wire_new(Poller *poller, int fd, PyObject *protocol);
void wire_want_read(Wire *self);
void wire_end(Wire *self);

extern PyObject *DATA_RECEIVED, *EOF_RECEIVED, *CONNECTION_MADE, *CONNECTION_LOST, *PAUSE_WRITING, *RESUME_WRITING, *RUN;

#endif
