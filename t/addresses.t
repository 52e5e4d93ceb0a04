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
use Pop3Test::Loop qw(unwatch);
use Pop3Test::Names;
use Pop3Test::Slow;

expect_log(qw(resolve-failed connect-failed));
expect_reason(qw(resolve-failed resolve-timeout login-timeout connect-failed connect-timeout));

my $own = qr/^-ERR \[SYS\/TEMP\] ./;

my $why_not = why_no_namespace();
plan(skip_all => $why_not) if defined $why_not;

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

scene 'a name from a name server' => sub {
    my $server = server(host => '127.0.0.7');
    my $dns = name_server(sub { [ A('127.0.0.6'), A('127.0.0.7'), AAAA('::1') ] });
    is login_to('pop.example', $server->port, $dns->{wrapper})->quit, '+OK bye', 'the living of three addresses';
    ok $dns->asked(qr/pop/), 'the name server was asked';
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
    wait_until(sub { $dns->asked(qr/pop/) });
    $client->reset;
    ok defined $client->process->wait, 'the session ends at the limit at the latest';
};

scene 'entries of the allow list are not looked up' => sub {
    my $dns    = name_server(sub { [ A('127.0.0.1') ] });
    my $client = proxy('-e', '-s', '127.0.0.1', '-', { wrapper => $dns->{wrapper} })->client;
    like $client->try_login('joe@pop.example'), qr/^-ERR/, 'refused';
    is $dns->asked(qr/./), 0, 'no question was asked';
};

done;
