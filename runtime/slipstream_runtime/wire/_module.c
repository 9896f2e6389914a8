/* The module: its two types, and the names of the methods that it calls. */
#include "_wire.h"

PyObject *DATA_RECEIVED, *EOF_RECEIVED, *CONNECTION_MADE, *CONNECTION_LOST, *PAUSE_WRITING, *RESUME_WRITING, *RUN;

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "slipstream_runtime.wire._wire",
    .m_doc = "Connections read and written in C, beside an event loop's own.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__wire(void)
{
    const struct {
        PyObject **at;
        const char *name;
    } names[] = {
        {&DATA_RECEIVED, "data_received"},     {&EOF_RECEIVED, "eof_received"},   {&CONNECTION_MADE, "connection_made"},
        {&CONNECTION_LOST, "connection_lost"}, {&PAUSE_WRITING, "pause_writing"}, {&RESUME_WRITING, "resume_writing"},
        {&RUN, "run"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].at = PyUnicode_InternFromString(names[at].name)) == NULL)
            return NULL;
    PyObject *made = PyModule_Create(&module);
    if (made == NULL)
        return NULL;
    if (PyType_Ready(&Wire_Type) < 0 || PyModule_AddType(made, &Poller_Type) < 0 || PyModule_AddType(made, &Wire_Type) < 0)
        Py_CLEAR(made);
    return made;
}
