# sh -c THIS sh LOG PROGRAM ARGUMENT…, as the leader of a process group: becomes the program, and ends the group when standard
# input ends. Outthink holds the other end of it, and however outthink ends, the system closes that. Standard output ends when
# nothing of the group is left; standard error is the log.
log=$1
shift
exec 3<&0 4>&1
(
    trap '' HUP INT TERM
    # A word before the end says that the log is still wanted.
    read -r _ <&3 || rm -f -- "$log"
    kill -s TERM -- -$$
    turns=0
    while [ $turns -lt 100 ] && kill -s 0 $$; do
        sleep 0.1 || sleep 1
        turns=$((turns + 1))
    done
    kill -s KILL -- -$$
) 2>/dev/null &
exec "$@" </dev/null >&2 3<&- 4>&-
