/* Field names and the number each stands for: an open table, made once, asked for each line of each head. Reads no head.

Attackers may choose names that collide in the hash: a look-up then compares a few names more, and the table never grows. */
#ifndef SLIPSTREAM_NAMES_H
#define SLIPSTREAM_NAMES_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MAX_NAMES 4096
typedef struct {
    PyObject *name; /* bytes in lower case; NULL where the place is free */
    uint32_t hash;
    uint32_t code;
} Place;

typedef struct {
    PyObject_HEAD
    Place *places;
    uint32_t mask; /* places - 1; a power of two, at least half of them free */
} Names;

extern PyTypeObject Names_Type;

/* The lower case of a token's octet, 0 for every other octet. */
extern const uint8_t TOKEN[256];

/* Of a name, whatever its case: its ends and its size, since every octet in turn would take longer than the rest of its line. */
static inline uint32_t name_hash(const uint8_t *name, Py_ssize_t size)
{
    uint32_t head = 0, tail = 0;
    if (size >= 4) {
        memcpy(&head, name, 4);
        memcpy(&tail, name + size - 4, 4);
    } else {
        memcpy(&head, name, (size_t)size);
    }
    uint32_t hash = ((head | 0x20202020u) * 2654435761u) ^ ((tail | 0x20202020u) * 2246822519u) ^ ((uint32_t)size * 3266489917u);
    return hash ^ hash >> 15;
}

/* The code of a name that consists of token octets, 0 where the table doesn't have it. */
static inline uint32_t names_code(const Names *names, const uint8_t *name, Py_ssize_t size, uint32_t hash)
{
    for (uint32_t at = hash & names->mask;; at = (at + 1) & names->mask) {
        const Place *place = &names->places[at];
        if (place->name == NULL)
            return 0;
        if (place->hash != hash || PyBytes_GET_SIZE(place->name) != size)
            continue;
        const uint8_t *known = (const uint8_t *)PyBytes_AS_STRING(place->name);
        Py_ssize_t i = 0;
        while (i < size && TOKEN[name[i]] == known[i])
            i++;
        if (i == size)
            return place->code;
    }
}

#endif
