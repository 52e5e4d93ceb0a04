# SPDX-License-Identifier: BSD-2-Clause
#
# From a name to a connection: the proxy tries every address of a name, of both families, also after
# dead ones. A name server that lies, fails or is silent costs the client a temporary error within the
# limit. The tests replace hosts file and name server in a mount namespace, so they need root.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Loop qw(watch_read unwatch);
use Pop3Test::Slow;
use Socket qw(:DEFAULT inet_pton);

expect_log(qw(resolve-failed connect-failed));
expect_reason(qw(resolve-failed resolve-timeout login-timeout connect-failed connect-timeout));

my $own = qr/^-ERR \[SYS\/TEMP\] ./;

# A command that executes the rest with these files instead of /etc/hosts and
# /etc/resolv.conf.
sub with_files {
    my ($hosts, $resolv) = @_;
    my $dir = directory();
    write_file("$dir/hosts",  $hosts);
    write_file("$dir/resolv", $resolv // "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    return [ qw(unshare -m sh -c),
        'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv" /etc/resolv.conf && exec "$@"', $dir ];
}

my $probe = run([ @{ with_files('') }, 'true' ]);
if (exit_code($probe->{status}) ne 0) {
    plan(skip_all => 'cannot have a mount namespace: ' . ($probe->{err} =~ s/\n.*//sr));
}

# Servers on the same port of several addresses.
sub servers_on {
    my (@hosts) = @_;
    for (1 .. 20) {
        my $first = server(host => $hosts[0]) or return;
        my @others = map { server(host => $_, port => $first->port) } @hosts[ 1 .. $#hosts ];
        return ($first, @others) if @others == grep { defined } @others and @others == $#hosts;
    }
    die "no port is free on @hosts\n";
}

sub login_to {
    my ($name, $port, $wrapper, @arguments) = @_;
    return proxy(@arguments, "$name:$port", { wrapper => $wrapper })->client->login;
}

scene 'both families are tried' => sub {
    my $wrapper = with_files("127.0.0.1 both.example\n::1 both.example\n");
    for my $host ('127.0.0.1', '::1') {
        my $server = server(host => $host) or plan(skip_all => 'no IPv6 loopback here');
        is login_to('both.example', $server->port, $wrapper, '--connect-timeout', 60)->quit, '+OK bye', "only $host listens";
    }
};

scene 'dead addresses come first' => sub {
    my $wrapper = with_files(join '', map { "127.0.0.$_ many.example\n" } 2 .. 9);
    for my $alive (2, 5, 9) {
        my $server = server(host => "127.0.0.$alive");
        is login_to('many.example', $server->port, $wrapper)->quit, '+OK bye', "127.0.0.$alive of eight";
    }
    my $server = server(host => '127.0.0.20');
    my $client = proxy('many.example:' . $server->port, { wrapper => $wrapper })->client;
    like $client->try_login, $own, 'no address answers';
    $client->closes;
    is $client->session_line->{reason}, 'connect-failed', 'reason';
};

scene 'the first address does not answer at all' => sub {
    my ($hole, $server) = servers_on('127.0.0.2', '127.0.0.3');
    unwatch($hole->{listener});
    my @queued  = fill_queue($hole->{listener}) or plan(skip_all => 'a full queue does not hang here');
    my $wrapper = with_files("127.0.0.2 two.example\n127.0.0.3 two.example\n");
    is login_to('two.example', $server->port, $wrapper, '--connect-timeout', 60)->quit, '+OK bye',
        'the next is tried, long before the limit';
};

scene 'a name that leads back to the proxy' => sub {
    my $wrapper = with_files("127.0.0.1 self.example\n");
    my $proxy   = proxy('-e', '-', { wrapper => $wrapper });
    expect_reason('loop');
    like $proxy->client->try_login('joe@self.example:' . $proxy->port), qr/^-ERR \[SYS\/PERM\]/, 'is refused';
};

scene 'an unknown name' => sub {
    my $client = proxy('no.such.name.invalid', { wrapper => with_files("127.0.0.1 localhost\n") })->client;
    like $client->try_login, $own, 'a temporary error';
    ok $client->closes, 'end';
    is $client->session_line->{reason}, 'resolve-failed', 'reason';
};

# ---- a name server of our own ----

# Answers on a random loopback address with what $answer->($name, $type)
# returns: a list of records [type, data], [] for "no such name", undef for
# silence, or a string of octets to send as they are.
sub name_server {
    my ($answer) = @_;
    for (1 .. 20) {
        my $ip = join '.', 127, 1 + int rand 250, 1 + int rand 250, 1 + int rand 250;
        socket my $socket, PF_INET, SOCK_DGRAM, 0 or die $!;
        bind $socket, pack_sockaddr_in(53, inet_aton($ip)) or next;
        $socket->blocking(0);
        my $asked = 0;
        watch_read($socket, sub {
            my $from = recv $socket, my $query, 4096, 0;
            $asked++;
            my $reply = _reply($query, $answer);
            send $socket, $reply, 0, $from if defined $from && defined $reply;
        });
        return { ip => $ip, socket => $socket, asked => \$asked,
            wrapper => with_files("127.0.0.1 localhost\n", "nameserver $ip\n") };
    }
    die "no name server address is free\n";
}

sub _reply {
    my ($query, $answer) = @_;
    my ($id)     = unpack 'n', $query;
    my ($at, @labels) = (12);
    while (my $length = ord substr $query, $at, 1) {
        push @labels, substr $query, $at + 1, $length;
        $at += $length + 1;
    }
    my $type    = unpack 'n', substr $query, $at + 1, 2;
    my $records = $answer->(lc join('.', @labels), $type) // return;
    return $records if !ref $records;
    my @same = grep { $_->[0] == $type } @$records;
    my $code = @$records ? 0 : 3;
    return pack('n6', $id, 0x8180 | $code, 1, scalar @same, 0, 0) . substr($query, 12, $at + 5 - 12)
        . join '', map { pack 'n n n N n/a*', 0xc00c, $_->[0], 1, 60, $_->[1] } @same;
}

scene 'a name from a name server' => sub {
    my $server = server(host => '127.0.0.7');
    my $dns = name_server(sub { [ [ 1, inet_aton('127.0.0.6') ], [ 1, inet_aton('127.0.0.7') ], [ 28, inet_pton(AF_INET6, '::1') ] ] });
    is login_to('pop.example', $server->port, $dns->{wrapper})->quit, '+OK bye', 'the living of three addresses';
    ok ${ $dns->{asked} }, 'the name server was asked';
};

scene 'no such name' => sub {
    my $dns    = name_server(sub { [] });
    my $client = proxy('pop.example', { wrapper => $dns->{wrapper} })->client;
    like $client->try_login, $own, 'a temporary error';
    is $client->session_line->{reason}, 'resolve-failed', 'reason';
};

scene 'a silent name server' => sub {
    my $dns    = name_server(sub { undef });
    my $client = proxy('--login-timeout', 2, 'pop.example', { wrapper => $dns->{wrapper} })->client;
    like $client->try_login, $own, 'a temporary error';
    ok $client->closes, 'end';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'a name server that answers nonsense' => sub {
    for my $octets ('x', "\0" x 12, "\xff" x 500) {
        my $dns    = name_server(sub { $octets });
        my $client = proxy('--login-timeout', 2, 'pop.example', { wrapper => $dns->{wrapper} })->client;
        like $client->try_login, $own, 'a temporary error';
        ok $client->closes, 'end';
    }
};

scene 'a client that leaves while a name is looked up' => sub {
    my $dns    = name_server(sub { undef });
    my $client = proxy('--login-timeout', 5, 'pop.example', { wrapper => $dns->{wrapper} })->client;
    $client->greeting;
    $client->send("USER joe\r\nPASS x\r\n");
    wait_until(sub { ${ $dns->{asked} } });
    $client->reset;
    ok defined $client->process->wait, 'the session ends at the limit at the latest';
};

scene 'entries of the allow list are not looked up' => sub {
    my $dns    = name_server(sub { [ [ 1, inet_aton('127.0.0.1') ] ] });
    my $client = proxy('-e', '-s', '127.0.0.1', '-', { wrapper => $dns->{wrapper} })->client;
    like $client->try_login('joe@pop.example'), qr/^-ERR/, 'refused';
    is ${ $dns->{asked} }, 0, 'no question was asked';
};

done;
