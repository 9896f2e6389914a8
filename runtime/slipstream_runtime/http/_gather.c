/* What of a head's lines belongs to a cache key, and the key: as cores/key.py does it over fields, octet for octet. */
#include "_lines.h" /* Python.h first */
#include "_blake2b.h"

/* cores/identity.py: what one line means to a cache. */
enum { KEYED = 1, PARTITION = 2, CREDENTIAL = 4, FLAGS = 8 };
#define PARTITION_BITS (((int64_t)1 << 62) - 1) /* cores/key.py */

typedef struct {
    PyObject_HEAD
    PyObject *names; /* Names: what each means to the rule */
    Blake2b base;    /* keyed, and fed with what makes the rule's answers its own */
} Rule;

typedef struct {
    uint32_t number; /* of the name, as the rule counts them */
    uint32_t line;
} Part;

static char *put_length(char *to, uint32_t length)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (char)(length >> shift & 0xFF);
    return to;
}

static char *put_sized(char *to, const void *from, uint32_t size)
{
    to = put_length(to, size);
    memcpy(to, from, size);
    return to + size;
}

/* The hash that Python has for these octets, so that both ways of reading a request agree on its partition; -1 for an error. */
static Py_hash_t hash_of(const char *octets, Py_ssize_t size)
{
#if PY_VERSION_HEX < 0x030D0000
    return _Py_HashBytes(octets, size);
#elif PY_VERSION_HEX >= 0x030E0000
    return Py_HashBuffer(octets, size);
#else
    PyObject *bytes = PyBytes_FromStringAndSize(octets, size);
    Py_hash_t hash = bytes == NULL ? -1 : PyObject_Hash(bytes);
    Py_XDECREF(bytes);
    return hash;
#endif
}

/* In order of number; lines of one name stay in order of appearance. There are few. */
static void insert(Part *parts, int count, Part part)
{
    int at = count;
    for (; at > 0 && parts[at - 1].number > part.number; at--)
        parts[at] = parts[at - 1];
    parts[at] = part;
}

/* Which lines are keyed, all flags, and how many octets the keyed ones take. */
static int collect(const Lines *self, const Names *names, Part *parts, unsigned int *flags, Py_ssize_t *size)
{
    const uint8_t *text = lines_text(self);
    int count = 0;
    for (Py_ssize_t at = 0; at < Py_SIZE(self); at++) {
        const Line *line = &self->line[at];
        const uint32_t code = names_code(names, text + line->start, line->colon - line->start, line->hash);
        if (code & KEYED) {
            insert(parts, count++, (Part){code >> FLAGS, (uint32_t)at});
            *size += 6 + line->value_end - line->value;
        }
        *flags |= code & ((1u << FLAGS) - 1);
    }
    return count;
}

/* What is hashed, in its order, to `to`; the partition, and whether some identity isn't empty. */
static int put_parts(char *to, const Lines *self, const Names *names, const Part *parts, int count, int64_t *partition)
{
    const uint8_t *text = lines_text(self);
    int identified = 0;
    for (int at = 0; at < count; at++) {
        const Line *line = &self->line[parts[at].line];
        const uint32_t code = names_code(names, text + line->start, line->colon - line->start, line->hash);
        const uint32_t length = line->value_end - line->value;
        char *part = to;
        *to++ = (char)(parts[at].number >> 8 & 0xFF);
        *to++ = (char)(parts[at].number & 0xFF);
        to = put_sized(to, text + line->value, length);
        if (code & PARTITION) {
            const Py_hash_t hash = hash_of(part, to - part);
            if (hash == -1)
                return -1;
            *partition ^= hash & PARTITION_BITS; /* in any order, as the key */
            identified |= length > 0;
        }
    }
    return identified;
}

/* gather(rule, method, target): (all flags, partition, some identity isn't empty, the key). */
PyObject *lines_gather(Lines *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !Py_IS_TYPE(args[0], &Rule_Type) || !PyBytes_Check(args[1]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "gather(rule: Rule, method: bytes, target: bytes)");
        return NULL;
    }
    const Rule *rule = (const Rule *)args[0];
    const Names *names = (const Names *)rule->names;
    const Py_ssize_t method = PyBytes_GET_SIZE(args[1]), target = PyBytes_GET_SIZE(args[2]);
    if (method > INT32_MAX || target > INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too long");
        return NULL;
    }
    Part parts[MAX_LINES]; /* scan makes no more lines */
    unsigned int flags = 0;
    int64_t partition = 0;
    Py_ssize_t size = 8 + method + target;
    const int keyed = collect(self, names, parts, &flags, &size);
    const int marked = flags & CREDENTIAL ? 2 : 0; /* octets: never mixes with answers to requests without a credential */
    char room[1024];
    char *material = size + marked <= (Py_ssize_t)sizeof room ? room : PyMem_Malloc((size_t)(size + marked));
    if (material == NULL)
        return PyErr_NoMemory();
    char *to = put_sized(material, PyBytes_AS_STRING(args[1]), (uint32_t)method);
    to = put_sized(to, PyBytes_AS_STRING(args[2]), (uint32_t)target);
    const int identified = put_parts(to, self, names, parts, keyed, &partition);
    memset(material + size, 0xFF, (size_t)marked);
    uint8_t key[BLAKE2B_DIGEST];
    Blake2b hash;
    lines_blake2b_copy(&hash, &rule->base);
    lines_blake2b_update(&hash, (const uint8_t *)material, (size_t)(size + marked));
    lines_blake2b_digest(&hash, key);
    if (material != room)
        PyMem_Free(material);
    if (identified < 0)
        return NULL;
    PyObject *items[4] = {
        PyLong_FromUnsignedLong(flags), PyLong_FromLongLong(partition), PyBool_FromLong(identified),
        PyBytes_FromStringAndSize((const char *)key, BLAKE2B_DIGEST),
    };
    return lines_tuple(items, 4);
}

/* rule(codes, secret, prefix): what `gather` wants of a rule. */
PyObject *lines_rule(PyObject *type, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyBytes_Check(args[1]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "rule(codes: dict[bytes, int], secret: bytes, prefix: bytes)");
        return NULL;
    }
    if (PyBytes_GET_SIZE(args[1]) > BLAKE2B_MAX_KEY) {
        PyErr_SetString(PyExc_ValueError, "the secret is too long");
        return NULL;
    }
    Rule *self = PyObject_New(Rule, &Rule_Type);
    if (self == NULL)
        return NULL;
    lines_blake2b_begin(&self->base, (const uint8_t *)PyBytes_AS_STRING(args[1]), (size_t)PyBytes_GET_SIZE(args[1]));
    lines_blake2b_update(&self->base, (const uint8_t *)PyBytes_AS_STRING(args[2]), (size_t)PyBytes_GET_SIZE(args[2]));
    self->names = PyObject_CallOneArg((PyObject *)&Names_Type, args[0]);
    if (self->names == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void rule_dealloc(Rule *self)
{
    Py_XDECREF(self->names);
    PyObject_Free(self);
}

PyTypeObject Rule_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "slipstream_runtime.http._lines.Rule",
    .tp_doc = "The names that matter to one cache rule, and its keyed hash.",
    .tp_basicsize = sizeof(Rule),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)rule_dealloc,
};
