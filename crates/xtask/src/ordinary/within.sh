# Runs the rest of its command line in a view of the file system in which an ordinary user reaches the workspace, and
# may write where test programs build and keep files. Root starts this script in a new mount namespace, so nothing of it
# is visible outside, and nothing remains.
#
#   within.sh SCRATCH USER GROUP READ... -- WRITE... -- PROGRAM ARGUMENT...
#
# READ are directories that the user must reach. WRITE are directories of which the user gets a copy in their place. The
# copies are made once in SCRATCH: the programs that run there, one after the other, share them.
set -eu
scratch=$1 user=$2 group=$3
shift 3

# A directory that others may not search is hidden behind an empty one, in which the named directories are mounted
# again.
number=0
held=$scratch/held
mkdir -p "$held"
read_list=$scratch/read
: >"$read_list"
while [ "$1" != -- ]; do
    number=$((number + 1))
    mkdir -p "$held/$number"
    mount --bind "$1" "$held/$number"
    printf '%s\n' "$1" >>"$read_list"
    shift
done
shift
number=0
while IFS= read -r path; do
    number=$((number + 1))
    parent=$path
    while [ "$parent" != / ]; do
        parent=$(dirname "$parent")
        case $(stat -c %A "$parent") in
            *[xt]) ;;
            *)
                mount -t tmpfs -o mode=755 tmpfs "$parent"
                ;;
        esac
    done
    if [ ! -d "$path" ] || ! mountpoint -q "$path"; then
        mkdir -p "$path"
        mount --bind "$held/$number" "$path"
    fi
done <"$read_list"

number=0
while [ "$1" != -- ]; do
    number=$((number + 1))
    copy=$scratch/written/$number
    if [ ! -d "$copy" ]; then
        mkdir -p "$1" "$copy"
        cp -a "$1/." "$copy"
        chown -R "$user:$group" "$copy"
    fi
    mount --bind "$copy" "$1"
    shift
done
shift

exec "$@"
