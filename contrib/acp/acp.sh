#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A sample access control program: pop3.proxy -e -a /PATH/acp.sh ...
#
# Exit status 0 grants access, any other denies it. Standard output goes to the
# client, standard error to the log. The variables hold what strangers have typed,
# so they are quoted everywhere and never evaluated.

# ---- settings: change these ----

# Clients in these networks need no proxy login. All others log in with
# USER proxyuser:user@server and PASS proxypass:pass.
inside='127.0.0.0/8 10.0.0.0/8 192.168.0.0/16'

# The file of proxy users, one name and encrypted password a line:
#   printf 'ada:%s\n' "$(openssl passwd -6)" >>/etc/pop3.proxy/users
# pop3.proxy must be able to read it (group 65534 if root starts it); nobody else
# should.
users=/etc/pop3.proxy/users

# Servers that clients may give by address, and the default server if it is an
# address. PROXY_SERVER is a name in lower case without a dot at its end, or an
# address. A client that gives the address of a server goes around every rule for
# its name, so all other addresses are refused.
addresses='127.0.0.1 ::1'

# Which servers may be used when: some in the lunch break only, all others during
# the day.
may_now() {
    case $PROXY_SERVER in
    *.private.example.org | private.example.org)
        [ "$hour" = 12 ] || deny '[SYS/TEMP] try again later' "private use: $PROXY_SERVER"
        ;;
    *)
        case $hour in
        0[6-9] | 1? | 2[0-1]) ;;
        *) deny '[SYS/TEMP] the service is open from 6 to 22' 'out of hours' ;;
        esac
        ;;
    esac
}

# ---- tools ----

# deny TO-THE-CLIENT TO-THE-LOG
deny() {
    printf '%s\n' "-ERR $1"
    printf '%s\n' "$2" >&2
    exit 1
}

# Prints 192.168.1.1 as one number.
number() {
    IFS=. read -r a b c d <<END
$1
END
    echo "$((a << 24 | b << 16 | c << 8 | d))"
}

# in_network ADDRESS NETWORK/BITS, for IPv4
in_network() {
    case $1 in
    '' | *[!0-9.]*) return 1 ;;
    esac
    rest=$((32 - ${2#*/}))
    [ "$(($(number "$1") >> rest))" -eq "$(($(number "${2%/*}") >> rest))" ]
}

is_inside() {
    [ "$PROXY_CLIENT" = ::1 ] && return 0
    for network in $inside; do
        in_network "$PROXY_CLIENT" "$network" && return 0
    done
    return 1
}

# An IPv6 address has a colon, an IPv4 address only digits and dots.
is_address() {
    case $1 in
    *:*) return 0 ;;
    *[!0-9.]*) return 1 ;;
    esac
}

# Ends the session of a client that gave an address that is not in the list.
check_address() {
    is_address "$PROXY_SERVER" || return 0
    case " $addresses " in
    *" $PROXY_SERVER "*) ;;
    *) deny 'give the name of the server, not its address' "server by address: $PROXY_SERVER" ;;
    esac
}

# is_user NAME PASSWORD. An unknown name takes as long as a wrong password. The
# password goes through a pipe, because other users can see arguments.
is_user() {
    encrypted='$6$nobody$nothing'
    while IFS=: read -r name rest || [ -n "$name" ]; do
        [ "$name" = "$1" ] && encrypted=$rest
    done <"$users"
    salt=${encrypted#'$6$'}
    salt=${salt%'$'*} # including rounds=N$, if it is there
    given=$(printf '%s\n' "$2" | openssl passwd -6 -salt "$salt" -stdin) || return 1
    [ "$given" = "$encrypted" ]
}

# ---- the decision ----

hour=$(date +%H) || deny '[SYS/TEMP] access control failed' 'date failed'

if ! is_inside; then
    [ -r "$users" ] || deny '[SYS/TEMP] access control failed' "cannot read $users"
    [ -n "$PROXY_USERNAME" ] || deny '[AUTH] log in as proxyuser:user@server' 'no proxy login'
    is_user "$PROXY_USERNAME" "$PROXY_PASSWD" || deny '[AUTH] bad login' 'wrong proxy login'
fi
check_address
may_now
exit 0
