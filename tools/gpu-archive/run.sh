#!/bin/sh
# Runs all GPU checks of this folder:  ./run.sh [--out FOLDER] [--minutes 12] [--only PATTERN]
# Needs a GPU driver, and nothing else. Prints a table; writes gpu-checks.json into the folder (by default where you are).
case $0 in
*/*) here=${0%/*} ;;
*) here=. ;;
esac
# The machine's own libraries come first: they are made for its system.
"$here/node" --version >/dev/null 2>&1 || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib"
exec "$here/node" "$here/main.mjs" "$@"
