"""The report as one self-contained page: no script, no request, nothing from outside unescaped."""
