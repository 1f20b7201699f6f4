# nanobind writes what is no Python for arrays of any library: ArrayLike[dtype=int64, writable=False].
file(READ ${STUB} text)
string(REGEX REPLACE "ArrayLike\\[[^]]*\\]" "ArrayLike" text "${text}")
string(REPLACE "import NDArray" "import ArrayLike, NDArray" text "${text}")
file(WRITE ${STUB} "${text}")
