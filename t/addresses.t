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

expect_log(qw(resolve-failed));
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

# 2001:db8::1 stands for an address of our own whose ports are all taken at the server.
scene 'one of our own addresses is of no use, and the other address of the server is dead' => sub {
    expect_log('configuration');
    my $server = server(host => '::1') or plan(skip_all => 'no IPv6 loopback here');
    my $master = master(server => 'both.example:' . $server->port, -wrapper => with_files("::1 both.example\n127.0.0.1 both.example\n"),
        workers => 1, max_workers => 1, source_addresses => '2001:db8::1, ::1');
    is $master->client->login->quit, '+OK bye', "login $_" for 1, 2;
};

scene 'dead addresses come first' => sub {
    my $wrapper = with_files(join '', map { "127.0.0.$_ many.example\n" } 2 .. 9);
    for my $alive (2, 5, 9) {
        my $server = server(host => "127.0.0.$alive");
        my $client = login_to('many.example', $server->port, $wrapper);
        is $client->quit, '+OK bye', "127.0.0.$alive of eight";
        my $session = $client->session_line->{session};
        my @failed = grep { $_->{f}{session} eq $session } log_lines('address-failed');
        is scalar @failed, $alive - 2, 'each that was tried before is named';
        is $failed[0]{f}{server_address}, '127.0.0.2:' . $server->port, 'with its address' if @failed;
        like $failed[0]{f}{error}, qr/Connection refused/, 'and why' if @failed;
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

scene 'dead addresses of many sessions need few descriptors' => sub {
    my @holes = servers_on(map { "127.0.0.$_" } 2 .. 9);
    my @queued;
    for my $hole (@holes) {
        unwatch($hole->{listener});
        push @queued, fill_queue($hole->{listener}) or plan(skip_all => 'a full queue does not hang here');
    }
    my $wrapper = with_files(join '', map { "127.0.0.$_ many.example\n" } 2 .. 9);
    my $master  = master(server => 'many.example:' . $holes[0]->port, -wrapper => $wrapper, sessions_per_worker => 32,
        workers => 1, max_workers => 1, connect_timeout => 60);
    my ($worker) = $master->workers(1);
    my $before   = descriptors($worker);
    my @clients  = map { $master->client } 1 .. 10;
    $_->greeting, $_->send("USER joe\r\nPASS x\r\n") for @clients;
    ok $master->shows(sub { @clients == grep { $_->{stage} eq 'connect' } @{ $_[0]{sessions} } }), 'all connect';
    my $most = 0;
    for my $tenth (1 .. 25) {   # each attempt lasts half a second
        my $now = descriptors($worker);
        $most = $now if $now > $most;
        pause(0.1);
    }
    my $kept = 8;   # pairs of sockets for the next questions to the helper
    cmp_ok $most, '<=', $before + $kept + 3 * @clients, "no more than three a session: $most";
    cmp_ok $most, '>',  $before + 2 * @clients, 'and two attempts at once';
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

# ---- one family works, the other does not ----

my %family = (A => { type => 1, host => '127.0.0.1', record => \&A }, AAAA => { type => 28, host => '::1', record => \&AAAA });

# A name server that knows one family, and answers questions for the other one with $rest.
sub half_name_server {
    my ($good, $rest) = @_;
    my $type = $family{$good}{type};
    return name_server(sub { $_[1] == $type ? [ $family{$good}{record}->($family{$good}{host}) ] : ref $rest eq 'CODE' ? $rest->() : $rest });
}

scene 'one family is silent, fails or loops' => sub {
    my %rest = (
        'never answered'             => undef,
        'a server failure'           => 2,
        'refused'                    => 5,
        'no such name'               => [],
        'late'                       => { after => 1, send => [] },
        'an alias of itself'         => [ CNAME('pop.example') ],
        'two aliases of one another' => [ CNAME('a.example'), CNAME('pop.example') ],
        'nonsense'                   => "\xff" x 100,
    );
    for my $good (qw(A AAAA)) {
        my $server = server(host => $family{$good}{host}) or plan(skip_all => 'no IPv6 loopback here');
        for my $how (sort keys %rest) {
            my $dns = half_name_server($good, $rest{$how});
            is login_to('pop.example', $server->port, $dns->{wrapper})->quit, '+OK bye', "only $good is answered, the other: $how";
        }
    }
};

scene 'the family that works is known late' => sub {
    for my $good (qw(A AAAA)) {
        my ($bad) = grep { $_ ne $good } keys %family;
        my $server = server(host => $family{$good}{host}) or plan(skip_all => 'no IPv6 loopback here');
        my $late   = { after => 1, send => [ $family{$good}{record}->($family{$good}{host}) ] };
        my $dns    = half_name_server($bad, sub { $late });
        is login_to('pop.example', $server->port, $dns->{wrapper})->quit, '+OK bye', "$good is used when nobody listens at the $bad";
    }
};

scene 'a name is completed from the search list as a whole' => sub {
    my $server = server(host => '127.0.0.1');
    my $wrong  = server(host => '::1', port => $server->port) or plan(skip_all => 'no IPv6 loopback here');
    my $dns    = name_server(sub {
        my ($name) = @_;
        return $name eq 'pop.example' ? [ A('127.0.0.1') ] : $name =~ /corp\.example\z/ ? [ AAAA('::1') ] : [];
    }, conf => "search corp.example\n");
    is login_to('pop.example', $server->port, $dns->{wrapper})->quit, '+OK bye', 'a full name';
    is $dns->asked(qr/corp/), 0, 'is not looked for elsewhere';
    is $wrong->connections, 0, 'nor found there';
    is login_to('pop', $server->port, $dns->{wrapper})->quit, '+OK bye', 'a short name';
    is $wrong->connections, 1, 'is';
};

scene 'no such name' => sub {
    my $dns    = name_server(sub { [] });
    my $client = proxy('pop.example', { wrapper => $dns->{wrapper} })->client;
    like $client->try_login, $own, 'a temporary error';
    is $client->session_line->{reason}, 'resolve-failed', 'reason';
};

scene 'resolv.conf is corrected while logins wait for a dead name server' => sub {
    my $server = server(host => '127.0.0.1');
    my $dead   = name_server(sub { undef });
    my $good   = name_server(sub { [ A('127.0.0.1') ] });
    my $master = master(server => '-', select_server => 'yes', delimiters => '@', login_timeout => 60, connect_timeout => 60,
        -wrapper => $dead->{wrapper}, -in_file => 1);
    my @client = map { $master->client } 1 .. 3;
    for my $number (0, 1) {
        $client[$number]->greeting;
        $client[$number]->send("USER joe\@n$number.example:$server->{port}\r\nPASS x\r\n");
    }
    ok wait_until(sub { $dead->asked(qr/n0/) && $dead->asked(qr/n1/) }), 'the dead one is asked';
    write_file($dead->resolv_conf, "nameserver $good->{ip}\n");
    is $client[2]->login("joe\@n2.example:$server->{port}")->quit, '+OK bye', 'a new login uses the new one';
    is $dead->asked(qr/n2/), 0, 'only';
    like $client[$_]->reply, qr/^\+OK/, 'USER' for 0, 1;
    like $client[$_]->reply, qr/^\+OK/, 'and so do those that wait' for 0, 1;
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
