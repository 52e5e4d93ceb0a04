# SPDX-License-Identifier: BSD-2-Clause
#
# Server selection: which server a login name leads to, and which logins are refused before a server,
# name server or acp sees them.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_reason('loop');

# Logs in as $name through a proxy with these arguments; the login name the server saw.
sub name_at {
    my ($server, $name, @arguments) = @_;
    my $before = $server->connections;
    my $client = proxy(@arguments)->client->login($name);
    $client->quit;
    is $server->connections - $before, 1, "$name [@arguments]: the server was contacted";
    my ($user) = ($server->connections)[-1]->lines;
    return $user =~ s/^USER //r;
}

sub is_refused {
    my ($name, @arguments) = @_;
    my $proxy  = proxy(@arguments);
    my $client = $proxy->client;
    my $reply  = $client->try_login($name);
    like $reply, qr/^-ERR/, "$name [@arguments]: refused";
    return $reply;
}

scene 'without -e the whole name goes to the server of the command line' => sub {
    my $server = server();
    is name_at($server, $_, $server->address), $_, 'name'
        for 'joe', 'joe@127.0.0.1', 'joe@[::1]:1', 'joe%x@y', 'joe@', 'a:b@c';
};

scene 'the server is contacted when the password arrives' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    like $client->ask('USER joe'), qr/^\+OK/, 'USER';
    pause(0.2);
    is scalar $server->connections, 0, 'not before';
    like $client->ask('PASS x'), qr/^\+OK/, 'PASS';
    is scalar $server->connections, 1, 'but then';
    $client->quit;
};

scene 'with -e the client selects' => sub {
    my ($default, $other) = (server(), server());
    my $address = $other->address;
    is name_at($other, "joe\@$address", '-e', $_), 'joe', "name at the selected server, operand $_"
        for $default->address, '-';
    is name_at($other, "joe\@$address", '-e'), 'joe', 'name at the selected server, no operand';
    is name_at($default, 'joe', '-e', $default->address), 'joe', 'the default server without selection';
    is name_at($default, 'joe@', '-e', $default->address), 'joe', 'an empty server part means the default';
    is name_at($other, "joe\@example.org\@$address", '-e', '-'), 'joe@example.org', 'split at the last delimiter';
    is name_at($other, "joe\@localhost:$other->{port}", '-e', '-'), 'joe', 'by name';
    is $default->saw(qr/example\.org|127/), 0, 'the default server heard of nothing else';
};

scene 'a bracketed IPv6 address' => sub {
    my $server = server(host => '::1') or plan(skip_all => 'no IPv6 loopback here');
    is name_at($server, "joe\@[::1]:$server->{port}", '-e', '-'), 'joe', 'selected';
    is name_at($server, 'joe', "[::1]:$server->{port}"), 'joe', 'as operand';
    is name_at($server, "joe\@[::1]:$server->{port}", '-e', '-s', '[::1]:*', '-'), 'joe', 'on the list';
    is_refused("joe\@[::1]:$server->{port}", '-e', '-s', '[::1]', '-');
};

scene 'no server is named' => sub {
    like is_refused('joe',  '-e', '-'), qr/^-ERR/, 'no default: refused';
    is_refused('joe@', '-e', '-');
    is_refused('joe',  '-e');
};

scene 'malformed server names' => sub {
    my $server = server();
    for my $name ("joe\@127.0.0.1:0", 'joe@127.0.0.1:65536', 'joe@127.0.0.1:x', 'joe@127.0.0.1:', 'joe@:' . $server->port,
        'joe@[::1', 'joe@[127.0.0.1', 'joe@a b', 'joe@-x') {
        is_refused($name, '-e', $server->address);
    }
    is scalar $server->connections, 0, 'the default server is not taken instead';
};

scene 'other delimiters' => sub {
    my $server = server();
    my $address = $server->address;
    is name_at($server, "joe%$address", '-e', '-c', '%', '-'), 'joe', '-c %';
    is name_at($server, "joe\@example.org%$address", '-e', '-c', '%', '-'), 'joe@example.org', '@ is plain then';
    is name_at($server, "joe%$address", '-e', '-c', '@%', '-'), 'joe', '-c @%: one';
    is name_at($server, "joe\@$address", '-e', '-c', '@%', '-'), 'joe', '-c @%: the other';
    is name_at($server, "joe%a\@$address", '-e', '-c', '@%', '-'), 'joe%a', 'the last of several';
    is name_at($server, "joe\@a%$address", '-e', '-c', '@%', '-'), 'joe@a', 'whichever it is';
    is name_at($server, "joe#$address", '-e', '-c', '#', '-'), 'joe', '-c #';
};

scene 'the list of servers' => sub {
    my $server = server();
    my ($address, $port) = ($server->address, $server->port);
    my @allowed = (
        $address, "a.example,$address", "$address,a.example", '127.0.0.1:*', '127.0.0.?:*', '127.*:*', "*:$port", '*:*',
        "a.example , $address",
    );
    is name_at($server, "joe\@$address", '-e', '-s', $_, '-'), 'joe', "-s '$_' allows $address" for @allowed;
    my @denied = ('127.0.0.1', '127.0.0.1:1', 'localhost:*', '127.0.0.??:*', 'a.example', '27.0.0.1:*', '*', '127.*', '127.0.0.1*');
    for my $list (@denied) {
        like is_refused("joe\@$address", '-e', '-s', $list, '-'), qr/^-ERR/, "-s '$list' does not allow $address";
    }
    for my $pattern ('LOCALHOST:*', 'Local*:*', 'l?calhost:*') {
        is name_at($server, "joe\@localhost:$port", '-e', '-s', $pattern, '-'), 'joe', "-s '$pattern'";
    }
    is name_at($server, "joe\@LocalHost:$port", '-e', '-s', 'localhost:*', '-'), 'joe', 'case does not matter';
    is name_at($server, "joe\@localhost.:$port", '-e', '-s', $_, '-'), 'joe', "nor does a dot at the end, on '$_'"
        for 'localhost:*', 'localhost.:*', '*.:*';
    is reason("joe\@$_", '-e', '-s', '127.0.0.1,localhost', '-'), 'server-not-allowed', "$_ is not on a list without ports"
        for $address, "localhost:$port";
};

# The reason that the log has for a refused login.
sub reason {
    my ($name, @arguments) = @_;
    my $client = proxy(@arguments)->client;
    like $client->try_login($name), qr/^-ERR/, "$name [@arguments]: refused";
    $client->closes;
    return $client->session_line->{reason};
}

scene 'a pattern for addresses admits no name' => sub {
    for my $list ('10.0.0.*', '10.*:*', '10.0.0.?*', '*.0.0.*') {
        is reason("joe\@$_", '-e', '-s', $list, '-'), 'server-not-allowed', "-s '$list', $_"
            for '10.0.0.evil.test', '10.0.0.1x', '10.0.0.300';
    }
    is reason('joe@10.0.0.1', '-e', '-s', $_, '-'), 'server-not-allowed', "nor does '$_' admit an address" for '*.test', '1*x', '?0.0.0.a';
};

scene 'a host with a colon that is no address' => sub {
    is reason("joe\@$_", '-e', '-s', '*.good.test,*:*', '-'), 'bad-server-name', $_
        for '[fe80::1%a.good.test]', 'fe80::1%a.good.test', '[::1%lo]', 'a::good.test', 'a..good.test', '.good.test', 'a.good.test..';
};

scene 'one form of a server name' => sub {
    my $server = server();
    my $v6     = server(host => '::1');
    my $file   = directory(0777) . '/server';
    my $acp    = acp("printf '%s %s' \"\$PROXY_SERVER\" \"\$PROXY_SERVERPORT\" >$file");
    my $told   = sub {
        my ($at, $name) = @_;
        my $port = $at->port;
        name_at($at, "joe\@$name:$port", '-e', '-a', $acp, '-');
        return read_file($file) =~ s/ \Q$port\E\z//r;
    };
    is $told->($server, 'LocalHost'),  'localhost', 'in lower case';
    is $told->($server, 'localhost.'), 'localhost', 'without a dot at the end';
    is $told->($server, '127.0.0.1.'), '127.0.0.1', 'an address, too';
    is $told->($server, '[::FFFF:127.0.0.1]'), '127.0.0.1', 'an IPv4 address in IPv6 notation';
SKIP: {
        skip 'no IPv6 loopback here', 1 if !$v6;
        is $told->($v6, '[0:0:0:0::0001]'), '::1', 'an IPv6 address';
    }
};

scene 'names are not looked up to match the list' => sub {
    my $server = server();
    is_refused("joe\@127.0.0.1:$server->{port}", '-e', '-s', 'localhost:*', '-');
    is_refused("joe\@localhost:$server->{port}", '-e', '-s', '127.0.0.1:*', '-');
    is scalar $server->connections, 0, 'no connection';
};

scene 'the default server need not be on the list' => sub {
    my $server = server();
    is name_at($server, 'joe', '-e', '-s', 'a.example', $server->address), 'joe', 'default';
};

scene 'a server off the list: the acp is not run' => sub {
    my $server = server();
    my $mark   = directory(0777) . '/ran';
    my $acp    = acp("echo x >>$mark");
    is_refused("joe\@$server->{host}:$server->{port}", '-e', '-s', 'a.example', '-a', $acp, '-');
    ok !-e $mark, 'no trace of the acp';
    is name_at($server, 'joe@' . $server->address, '-e', '-s', '127*:*', '-a', $acp, '-'), 'joe', 'on the list';
    ok -e $mark, 'there it runs';
};

scene 'the default port is 110' => sub {
    my $host   = join '.', 127, map { 1 + int rand 250 } 1 .. 3;
    my $server = server(host => $host, port => 110) or plan(skip_all => "may not listen on $host:110");
    my $logs   = directory(0777);
    my $mark   = directory(0777) . '/port';
    is name_at($server, 'joe', '-l', $logs, $host), 'joe', 'as operand';
    like read_file("$logs/127.0.0.1"), qr/ joe \Q$host\E\n\z/, 'the client log does not name the default port';
    is name_at($server, "joe\@$host", '-e', '-a', acp("echo \$PROXY_SERVERPORT >$mark"), '-'), 'joe', 'selected';
    is read_file($mark), "110\n", 'the acp is told';
    is name_at($server, "joe\@$host", '-e', '-s', $host, '-'), 'joe', 'on the list without a port';
    is name_at($server, "joe\@$host:110", '-e', '-s', $host, '-'), 'joe', 'and with it';
    is name_at($server, "joe\@$host", '-e', '-s', "$host:110", '-'), 'joe', 'on the list with it';
    is_refused("joe\@$host:1110", '-e', '-s', $host, '-');
    is name_at($server, "joe\@$host:110", '-e', '-s', "$host:*", '-'), 'joe', 'any port';
};

scene 'a loop is refused' => sub {
    my $proxy  = proxy('-e', '-');
    my $port   = $proxy->port;
    for my $host ('127.0.0.1', 'localhost') {
        my $client = $proxy->client;
        $proxy->{listener}->blocking(0);
        like $client->try_login("joe\@$host:$port"), qr/^-ERR \[SYS\/PERM\]/, "$host:$port is ourselves";
        ok !$proxy->{listener}->accept, 'and was not contacted';
        $proxy->{listener}->blocking(1);
    }
};

# A superserver may listen on all addresses of the machine: each hop of a loop then goes to another.
scene 'a loop over another address of this machine is refused under a superserver' => sub {
    my $proxy  = proxy('-e', '-');
    my $server = server(host => '127.0.0.2', port => $proxy->port);
    my $client = $proxy->client;
    like $client->try_login('joe@' . $server->address), qr/^-ERR \[SYS\/PERM\]/, 'refused';
    is $client->session_line->{reason}, 'loop', 'reason';
    is scalar($server->lines), 0, 'the server got nothing';

    my $other = server(host => '127.0.0.2');
    is $proxy->client->login('joe@' . $other->address)->quit, '+OK bye', 'another port is not ours';
    my $default = proxy();
    my $beside  = server(host => '127.0.0.2', port => $default->port);
    $default->{arguments} = [ $beside->address ];
    is $default->client->login->quit, '+OK bye', 'nor is a server that the operator has chosen';
};

done;
