# SPDX-License-Identifier: BSD-2-Clause
#
# The demonstration of contrib/quickstart --demo, which sources this file: two
# Dovecots as a group of servers, and a user whom a routing table sends to one of
# them. It uses the functions and variables of quickstart.

moved_user=moved

need_groups() {
    case " $(./src/pop3.proxy --version | tail -n 1) " in
    *' groups '*) ;;
    *) die "this pop3.proxy is built without groups; install libxxhash-dev, remove $build and try again" ;;
    esac
}

# Another Dovecot on the same mailbox, as two stores share their storage.
start_second_dovecot() {
    second_port=$(free_port 0) || die "no free port on 127.0.0.1"
    sed -e "s|$work/run|$work/run-2|; s|$work/state|$work/state-2|" \
        -e "s|$build/dovecot.log|$build/dovecot-2.log|" \
        -e "s/port = $dovecot_port\$/port = $second_port/" "$work/dovecot.conf" >"$work/dovecot-2.conf"
    start dovecot-2-start dovecot -F -c "$work/dovecot-2.conf"
    wait_for_server "$second_port" "${pids[-1]}" ||
        die "the second Dovecot did not start on port $second_port, see $build/dovecot-2.log; try again"
    say "a second Dovecot answers on 127.0.0.1:$second_port"
}

write_demo_conf() {
    cat <<END
[proxy]
log = $build/log
control = $work/control

[group stores]
servers = 127.0.0.1:$dovecot_port, 127.0.0.1:$second_port
check_interval = 1

[instance pop3]
listen = 127.0.0.1:$port
server = group:stores
route = file:$work/moved
END
}

start_demo_proxy() {
    port=$(choose_port 1110)
    printf '%s %s@127.0.0.1:%s\n' "$moved_user" "$user" "$second_port" >"$work/moved"
    write_demo_conf >"$work/pop3.proxy.conf"
    start proxy src/pop3.proxy -f "$work/pop3.proxy.conf"
    wait_for_server "$port" "${pids[-1]}" || die "pop3.proxy does not answer on port $port, see $build/proxy.log; try again"
    say "pop3.proxy answers on 127.0.0.1:$port"
}

# demo_command WORD...: shows the command and what it prints.
demo_command() {
    printf '\n$ pop3.proxy -f pop3.proxy.conf %s\n' "$*"
    ./src/pop3.proxy -f "$work/pop3.proxy.conf" "$@" || die "the command $1 failed, see $build/log"
}

# fetch_as USER: the first message, compared byte for byte.
fetch_as() {
    curl -sS --max-time 30 --noproxy '*' -u "$1:$password" "pop3://127.0.0.1:$port/1" >"$build/message.got" 2>"$work/error" ||
        die "the message did not arrive for $1: $(cat "$work/error"); see log in $build"
    cmp "$work/mail/cur/1000000001.sample:2,S" "$build/message.got" >&2 || die "the message arrived changed for $1"
    say "$1 has fetched the first message"
}

# The server that the group has chosen for the user, by the command route.
server_of() {
    ./src/pop3.proxy -f "$work/pop3.proxy.conf" route "$1" | sed -n 's/^ *server  *\(127[^ ]*\) .*/\1/p'
}

stop_dovecot() {
    local pid=$1
    kill -TERM "$pid"
    wait "$pid" 2>/dev/null
    kill -TERM -- "-$pid" 2>/dev/null
}

# wait_for_state SERVER STATE: until the command servers shows it, some 20 s at most.
wait_for_state() {
    local attempt
    for attempt in {1..100}; do
        ./src/pop3.proxy -f "$work/pop3.proxy.conf" servers | grep -q " $1  *$2 " && return
        perl -e 'select undef, undef, undef, 0.2'
    done
    die "the server $1 is not $2 after $((attempt / 5)) s, see $build/log"
}

run_demo() {
    local first_pid=${pids[-1]} chosen
    need_groups
    start_second_dovecot
    local second_pid=${pids[-1]}
    start_demo_proxy
    fetch_as "$user"
    fetch_as "$moved_user"
    demo_command servers
    demo_command route "$user"
    demo_command route "$moved_user"
    chosen=$(server_of "$user")
    echo
    say "stopping $chosen, the server of $user"
    if [ "$chosen" = "127.0.0.1:$dovecot_port" ]; then
        stop_dovecot "$first_pid"
    else
        stop_dovecot "$second_pid"
    fi
    fetch_as "$user"
    wait_for_state "$chosen" down
    demo_command servers
    fetch_as "$user"
}
