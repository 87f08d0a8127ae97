#!/bin/sh
# Compares the exported API with that of the last tag. GO is the Go command, APIDIFF the comparing program with its version.
set -eu
module=github.com/georedkit/georedkit
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || {
	echo "apidiff: there is no tag yet, so there is no API to compare with"
	exit 0
}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/tagged" 2>/dev/null || true; rm -rf "$work"' EXIT
GOBIN=$work "$GO" install "$APIDIFF"
git worktree add --quiet --detach "$work/tagged" "$tag"
quietly() { "$@" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }; } # it names every internal package that it leaves out
(cd "$work/tagged" && quietly "$work/apidiff" -m -w "$work/api" "$module")
changes=$(quietly "$work/apidiff" -m -incompatible "$work/api" "$module")
if [ -z "$changes" ]; then
	echo "apidiff: nothing since $tag breaks importers"
	exit 0
fi
echo "apidiff: since $tag these changes break importers:"
echo "$changes"
case $tag in
v0.*) echo "apidiff: before v1 that is allowed; CHANGELOG.md says what to do about it" ;;
*) exit 1 ;;
esac
