/* Connections that wait for something of a turn: a growing array of references. Knows not what for. */
#include "_wire.h"

int queue_push(Queue *queue, Wire *wire)
{
    if (queue->count == queue->room) {
        const size_t room = queue->room ? queue->room * 2 : 64;
        Wire **at = PyMem_Realloc(queue->at, room * sizeof *at);
        if (at == NULL)
            return -1;
        queue->at = at;
        queue->room = room;
    }
    queue->at[queue->count++] = (Wire *)Py_NewRef(wire);
    return 0;
}

void queue_drop(Queue *queue)
{
    while (queue->count > 0)
        Py_DECREF(queue->at[--queue->count]);
    PyMem_Free(queue->at);
    *queue = (Queue){NULL, 0, 0};
}

/* Takes all that are in a queue: out of the garbage collector's sight, since their references are given up one by one. */
Queue queue_take(Poller *self, Queue *queue)
{
    const Queue taken = *queue;
    *queue = self->spare;
    self->spare = (Queue){NULL, 0, 0};
    return taken;
}

void queue_done(Poller *self, Queue taken)
{
    if (self->spare.at == NULL)
        self->spare = (Queue){taken.at, 0, taken.room};
    else
        PyMem_Free(taken.at);
}
