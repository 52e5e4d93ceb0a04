# SPDX-License-Identifier: BSD-2-Clause
#
# Mail is fetched whatever becomes of the log: a pipe that nobody reads, a syslog daemon that is
# missing or stuck, a full disk. Lost lines are counted and reported.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Pop3Test::Loop qw(watch_read unwatch);

# A server without a usable log: it listens on a path and is ready when it answers
# there.
sub unheard {
    my (%option) = @_;
    my $path   = directory() . '/pop3';
    my $master = master(listen => $path, workers => 3, %option, -start => 0);
    pipe my $read, my $write or die $!;
    $master->{process} = Pop3Test::Process::spawn(
        command => $master->command_line,
        env     => { POP3_PROXY_SYSLOG => '/no/such/socket', %{ $option{-env} || {} } },
        fds     => { 2 => $write },
    );
    push @{ $master->{processes} }, $master->{process};
    $master->{unread} = $read;
    wait_until(sub { $master->connect(to => $path) }) or die "the server does not start\n";
    $master->{to} = $path;
    return $master;
}

# Runs this many sessions. Returns the longest time of a login.
sub sessions {
    my ($master, $count) = @_;
    my $worst = 0;
    for my $number (1 .. $count) {
        my $begin  = now();
        my $client = $master->client(to => $master->{to})->login("n$number");
        $worst = now() - $begin if now() - $begin > $worst;
        $client->quit eq '+OK bye' or die "session $number\n";
    }
    return $worst;
}

sub lost { my ($master) = @_; return $master->status->{instances}[0]{log_lost} }

# Every session gets through; the longest login is only reported.
sub serves {
    my ($name, $master, $count) = @_;
    diag(sprintf '%s: worst login %.0f ms', $name, 1000 * sessions($master, $count));
    pass("$name: $count sessions");
    return;
}

scene 'a pipe that nobody reads' => sub {
    my $master = unheard(server => server()->address, log => 'stderr', max_sessions => 0);
    serves('full pipe', $master, 500);
    cmp_ok lost($master), '>', 0, 'lost lines are counted';
    my $text = '';
    my $pipe = $master->{unread};
    $pipe->blocking(0);
    watch_read($pipe, sub { sysread $pipe, $text, 1 << 20, length $text or unwatch($pipe) });
    wait_until(sub { $text =~ /\n\z/ });
    sessions($master, 30);
    ok wait_until(sub { $text =~ /event=log-lines-lost count=[1-9]/ }), 'and said when it is read again';
    my ($said, $counted) = (0, lost($master));
    $said += $_ for $text =~ /event=log-lines-lost count=(\d+)/g;
    cmp_ok $said, '<=', $counted, "said: $said of $counted";
    like $text, qr/\A(?:[\x20-\x7e]+\n)+\z/, 'whole lines';
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'the stop is not held up';
};

scene 'no syslog daemon: standard error stands in' => sub {
    my $path   = directory(0777) . '/syslog';
    my $master = unheard(server => server()->address, -env => { POP3_PROXY_SYSLOG => $path }, workers => 1, max_workers => 1);
    my $text   = '';
    watch_read($master->{unread}, sub { sysread $master->{unread}, $text, 1 << 20, length $text or unwatch($master->{unread}) });
    serves('absent', $master, 5);
    ok wait_until(sub { 5 == grep { $text =~ /event=session .*user=n$_ / } 1 .. 5 }), 'it has the lines';
    like $text, qr/ warning pop3\.proxy\S+ event=configuration text="[^"]*log = syslog: no syslog daemon listens at \Q$path\E; start one, or set log to a file; until then lines go to standard error"/,
        'and a warning';
    my $late = Pop3Test::Log->new($path);
    ok wait_until(sub { sessions($master, 1); $late->with_event('session') }), 'once there is one, it has them';
    my $before = length $text;
    sessions($master, 1);
    is length $text, $before, 'and standard error has no more';
};

scene 'no syslog daemon and no standard error' => sub {
    my $path   = directory(0777) . '/syslog';
    my $master = unheard(server => server()->address, -env => { POP3_PROXY_SYSLOG => $path }, workers => 1, max_workers => 1,
        -wrapper => [ 'sh', '-c', 'exec "$@" 2>/dev/null', 'sh' ]);
    serves('absent', $master, 50);
    cmp_ok lost($master), '>=', 90, 'lost lines are counted';
    my $late = Pop3Test::Log->new($path);
    ok wait_until(sub {
        sessions($master, 1);
        grep { $_->{event} eq 'log-lines-lost' } $late->lines;
    }), 'once it is there, it is told';
    ok !(grep { $_->{malformed} } $late->lines), 'in order';
    ok wait_until(sub { sessions($master, 1); $late->with_event('session') }), 'and hears of sessions';
};

scene 'a syslog daemon that is stuck' => sub {
    my $path   = directory(0777) . '/syslog';
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die $!;
    chmod 0777, $path;
    # The kernel's queue is a setting: ten datagrams, or hundreds with systemd.
    my @fillers = map { IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path) or die $! } 1 .. 20;
    for my $filler (@fillers) {
        $filler->blocking(0);
        1 while $filler->send('x');
    }
    my $master = unheard(server => server()->address, -env => { POP3_PROXY_SYSLOG => $path });
    serves('stuck', $master, 100);
    cmp_ok lost($master), '>', 0, 'lost lines are counted';
    $master->signal('HUP');
    serves('and after a reload', $master, 50);
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'the stop is not held up';
};

scene 'a full disk' => sub {
    plan(skip_all => 'no /dev/full') if !-e '/dev/full';
    my $master = unheard(server => server()->address, log => '/dev/full');
    serves('full disk', $master, 50);
    cmp_ok lost($master), '>=', 90, 'lost lines are counted';
};

scene 'a file that may not grow' => sub {
    my $log    = directory(0777) . '/log';
    my $master = unheard(server => server()->address, log => $log, -wrapper => [ 'sh', '-c', 'ulimit -f 16; exec "$@"', 'sh' ]);
    serves('largest file', $master, 200);
    cmp_ok lost($master), '>', 0, 'lost lines are counted';
    ok $master->is_running, 'the master still runs';
    write_file($log, '');
    sessions($master, 20);
    ok wait_until(sub { read_file($log) =~ /event=log-lines-lost count=[1-9]/ }), 'with room again, they are said';
};

scene 'USR1 after the log\'s directory was removed' => sub {
    my $dir    = directory(0777);
    my $sub    = "$dir/sub";
    mkdir $sub;
    my $master = unheard(server => server()->address, log => "$sub/log");
    rename $sub, "$dir/gone" or die $!;
    $master->signal('USR1');
    ok wait_until(sub { read_file("$dir/gone/log") =~ /event=configuration .*cannot open the log file/ }), 'said in the old one';
    serves('no directory', $master, 10);
    ok wait_until(sub { read_file("$dir/gone/log") =~ /user=n10 / }), 'which is used on';
};

done;
