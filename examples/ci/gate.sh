#!/bin/sh
# gate.sh MODEL TRUSTED [IMAGES]: stop a pipeline if a model looks backdoored, or if images look as if they carry a trigger.
#
# TRUSTED are clean images, of several classes, that the model was not trained on; IMAGES are the ones to judge.
# Exit code: 0 nothing was found; 3 something was found; 1 the run failed; 2 the command or its input is wrong.
# It writes doldrum.sarif (code scanning), doldrum.xml (JUnit) and the folder doldrum-report (report.html).
#
# Options for both commands (--budget 10m, --references DIR, --mean ...) go into the environment variable DOLDRUM_OPTIONS.
set -eu

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "expected MODEL TRUSTED [IMAGES], got $# arguments" >&2
    exit 2
fi
model=$1 trusted=$2

# Delete the report of an earlier run, which may be of another model.
rm -rf doldrum.sarif doldrum.xml doldrum-report

# shellcheck disable=SC2086  # the options are several words
if [ $# -eq 3 ]; then
    exec doldrum audit "$model" --images "$3" --clean "$trusted" --out doldrum-report \
        --sarif doldrum.sarif --junit doldrum.xml ${DOLDRUM_OPTIONS:-}
else
    exec doldrum inspect "$model" --clean "$trusted" --out doldrum-report \
        --sarif doldrum.sarif --junit doldrum.xml ${DOLDRUM_OPTIONS:-}
fi
