# Writes the source that names version and commit, and touches it only where that changes it:
#   cmake -DSOURCE=FOLDER -DVERSION=0.1.0 -DCOMMIT=… -DOUT=FILE -P write_version.cmake
# An empty COMMIT asks git. In an archive that `git archive` made, git has put commit and day in the next line.
set(archived "$Format:%h %cs$")

# GIT(OUT ARGUMENT…): what git says on the commit of SOURCE, whoever owns the folder; empty where it says nothing.
function(git out)
  execute_process(COMMAND git --no-optional-locks -c safe.directory=${SOURCE} ${ARGN} WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE said OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    set(said)
  endif()
  set(${out} "${said}" PARENT_SCOPE)
  set(code "${code}" PARENT_SCOPE)
endfunction()

file(TIMESTAMP ${SOURCE}/CMakeLists.txt day %Y-%m-%d UTC)
git(top rev-parse --show-toplevel)
file(REAL_PATH ${SOURCE} source)
if(NOT "${COMMIT}" STREQUAL "")
  set(commit "${COMMIT}")
elseif("${top}" STREQUAL "${source}")  # not that of a repository around an unpacked archive
  git(found log -1 --abbrev=10 "--format=%h %cs")
  git(changes diff --quiet HEAD --)
  set(changed ${code})
elseif(NOT archived MATCHES "Format")
  set(found "${archived}")
endif()
if(found)
  string(REPLACE " " ";" found "${found}")
  list(POP_FRONT found commit day)
  if(changed EQUAL 1)
    string(APPEND commit ", changed")
  endif()
endif()
if(NOT commit MATCHES "^[-+.,_/ A-Za-z0-9]*$")
  message(FATAL_ERROR "FOVEA_COMMIT is \"${commit}\": expected letters, digits and . , - + _ / alone")
endif()

file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[// Written by cmake/write_version.cmake.
#include "tools/text/version.h"

namespace fovea {
const char* const kVersion = "@VERSION@";
const char* const kCommit = "@commit@";
const char* const kVersionDay = "@day@";
}  // namespace fovea
]])
