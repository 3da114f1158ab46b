# Runs the rest of its command line in a view of the file system in which an ordinary user reaches the workspace and may
# write where test programs build and keep files. Started by root in a mount namespace of its own, so nothing of this is seen
# outside or stays.
#
#   within.sh SCRATCH USER GROUP READ... -- WRITE... -- PROGRAM ARGUMENT...
#
# READ are directories that the user must reach; WRITE are directories of which the user gets a copy in their place.
set -eu
scratch=$1 user=$2 group=$3
shift 3

# What lies in a directory that others may not search is hidden by an empty one; the named directories come back into it.
number=0
held=$scratch/held
mkdir -p "$held"
read_list=$scratch/read
: >"$read_list"
while [ "$1" != -- ]; do
    number=$((number + 1))
    mkdir "$held/$number"
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
    mkdir -p "$1" "$copy"
    cp -a "$1/." "$copy"
    chown -R "$user:$group" "$copy"
    mount --bind "$copy" "$1"
    shift
done
shift

exec "$@"
