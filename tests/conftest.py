import reprolib  # noqa: F401  first of all: it sets how OpenMP waits, which counts only before torch is loaded
