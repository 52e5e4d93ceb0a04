# SPDX-License-Identifier: BSD-2-Clause
#
# USR2: the next binary takes over the sockets while the old one lets its sessions finish. No client
# is turned away, whether the upgrade succeeds or fails.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_log('log-lines-lost');   # a burst of lines, of which the collector takes ten at once
use Fcntl qw(O_RDWR);
use File::Copy ();
use POSIX qw(mkfifo);

# A copy of the program, which a test can replace.
sub copy {
    my $path = directory(0755) . '/pop3.proxy';
    install(program(), $path);
    return $path;
}

sub install {
    my ($from, $to) = @_;
    File::Copy::copy($from, "$to.new") or die $!;
    chmod 0755, "$to.new";
    rename "$to.new", $to or die $!;
    return;
}

# Sends USR2 and follows the next master. Returns the process id of the old one.
sub upgrade {
    my ($master) = @_;
    my $old  = $master->pid;
    my %known = map { $_->{pid} => 1 } grep { $_->{event} eq 'started' } log_lines();
    $master->after(sub { $master->signal('USR2') }, 'master-draining', 'upgrade-failed');
    my ($new) = grep { !$known{ $_->{pid} } } log_lines('started');
    die "no new binary\n" if !$new;
    $master->follow($new->{pid});
    return $old;
}

scene 'the new binary takes over' => sub {
    my $server  = server();
    my $pidfile = directory() . '/pid';
    my $master  = master(server => $server->address, pidfile => $pidfile, -program => copy());
    my $address = $master->address;
    my $held    = $master->client->login('held');
    my $old     = upgrade($master);
    is $master->address, $address, 'the same address';
    is read_file($pidfile), $master->pid . "\n", 'the pidfile names it';
    is $master->client->login->quit, '+OK bye', 'it serves';
    is $master->status->{pid}, $master->pid, 'and answers on the control socket';
    ok is_alive($old), 'the old one has a session left';
    isnt facts($master->pid)->{PPid}, $old, 'and is not its parent: who supervises it looks after its own children';
    is $held->ask('NOOP'), '+OK', 'which goes on';
    is $held->quit, '+OK bye', 'to its end';
    ok wait_until(sub { !is_alive($old) }), 'then the old one goes';
    is read_file($pidfile), $master->pid . "\n", 'the pidfile stays';
    is $master->client->login->quit, '+OK bye', 'it serves on';
    is $master->reload->{event}, 'reloaded', 'it reloads';
    is $master->client->login->quit, '+OK bye', 'and serves';
};

scene 'stopped while older masters still have sessions' => sub {
    my $server = server();
    my $master = master(server => $server->address, -program => copy());
    my @held   = $master->client->login('first');
    my @old    = upgrade($master);
    push @old, upgrade($master);   # this one has no session
    is $_->ask('NOOP'), '+OK', 'goes on' for @held;
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'the last one ends';
    is_deeply [ map { $_->{pid} } (log_lines('stopped'))[ -3 .. -1 ] ], [ @old, $master->pid ], 'and not before those before it';
    ok wait_until(sub { !grep { is_alive($_) } @old }), 'they are gone';
    like $_->rest, qr/\A(?:-ERR \[SYS\/TEMP\] [^\r\n]*\r\n)?\z/, 'sessions ended in order' for @held;
    is_deeply [ map { $_->{f}{reason} } grep { $_->{f}{user} eq 'first' } log_lines('session') ], ['stopped'], 'logged as such';
};

scene 'stopped while an older master hangs' => sub {
    my $master = master(server => server()->address, grace => 1, -program => copy());
    my $held   = $master->client->login('held');
    my $old    = upgrade($master);
    expect_log('master');
    kill 'STOP', $old;
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'ends without it';
    kill 'CONT', $old;
    ok wait_until(sub { !is_alive($old) }), 'which follows as soon as it can';
};

scene 'several upgrades in a row while clients poll' => sub {
    my $server  = server();
    my $pidfile = directory() . '/pid';
    my $master  = master(server => $server->address, pidfile => $pidfile, workers => 3, quiet => 'yes', -program => copy());
    my $pollers = pollers(address => $master->address, count => 5, pause => 0.005);
    my @old;
    $pollers->more(10);
    for my $round (1 .. 5) {
        push @old, upgrade($master);
        $pollers->more(10);
    }
    my $result = $pollers->stop;
    diag(sprintf '5 upgrades, %d sessions, %d refused, %d broken, worst %.0f ms',
        @$result{qw(sessions refused broken)}, 1000 * $result->{worst});
    is $result->{refused}, 0, 'no connection was refused';
    is $result->{broken}, 0, 'no session was broken' or diag($result->{remarks});
    ok wait_until(sub { !grep { is_alive($_) } @old }), 'the old ones are gone';
    is read_file($pidfile), $master->pid . "\n", 'the pidfile names the last one';
    is $master->settled(3), 'settled', 'one pool is left';
};

scene 'a new binary that fails' => sub {
    expect_log(qw(upgrade-failed));
    my $server  = server();
    my $pidfile = directory() . '/pid';
    my $path    = copy();
    my $master  = master(server => $server->address, pidfile => $pidfile, quiet => 'yes', -program => $path, -any_stderr => 1);
    my $held    = $master->client->login('held');
    my $pollers = pollers(address => $master->address, count => 3, pause => 0.005);
    my %broken  = (
        'ends with an error' => "#!/bin/sh\nexit 3\n",
        'ends without'       => "#!/bin/sh\nexit 0\n",
        'kills itself'       => "#!/bin/sh\nkill -9 \$\$\n",
        'is no program'      => "nonsense\0\n",
    );
    for my $name (sort keys %broken) {
        $pollers->more(5);
        write_file("$path.new", $broken{$name}, 0755);
        rename "$path.new", $path or die $!;
        is $master->after(sub { $master->signal('USR2') }, 'upgrade-failed')->{pid}, $master->pid, "$name: said";
        is read_file($pidfile), $master->pid . "\n", "$name: the pidfile stays";
        is $master->client->login->quit, '+OK bye', "$name: the old one serves on";
    }
    unlink $path;
    $master->after(sub { $master->signal('USR2') }, 'upgrade-failed');
    is $master->client->login->quit, '+OK bye', 'no new master: the old one serves';
    my $result = $pollers->stop;
    is $result->{refused} + $result->{broken}, 0, 'clients did not notice' or diag($result->{remarks});
    install(program(), $path);
    is $master->reload->{event}, 'reloaded', 'it still reloads';
    my $old = upgrade($master);
    is $master->client->login->quit, '+OK bye', 'and a sound one takes over';
    is $held->quit, '+OK bye', 'from before all that';
    ok wait_until(sub { !is_alive($old) }), 'the old one goes';
};

# A program that waits until it is told to execute another one.
sub delayed {
    my ($path, $command) = @_;
    my $fifo = directory() . '/go';
    mkfifo($fifo, 0600) or die $!;
    sysopen my $go, $fifo, O_RDWR or die $!;
    write_file("$path.new", "#!/bin/sh\nread word <$fifo\n$command\n", 0755);
    rename "$path.new", $path or die $!;
    return $go;
}

scene 'HUP while a new binary starts' => sub {
    my $path   = copy();
    my $master = master(server => server()->address, -program => $path);
    my $go     = delayed($path, 'exec ' . program() . ' "$@"');
    $master->after(sub { $master->signal('USR2') }, 'upgrade');
    $master->signal('HUP');
    $master->after(sub { syswrite $go, "go\n" }, 'master-draining');
    $master->follow((log_lines('started'))[-1]{pid});
    ok wait_until(sub { $master->events('reloaded') }, 10), 'the new one reloads';
    is $master->client->login->quit, '+OK bye', 'and serves';
};

scene 'HUP while a new binary fails' => sub {
    expect_log('upgrade-failed');
    my $path   = copy();
    my $master = master(server => server()->address, -program => $path, -any_stderr => 1);
    my $go     = delayed($path, 'exit 3');
    my $fail   = sub { syswrite $go, "go\n" };
    $master->after(sub { $master->signal('USR2') }, 'upgrade');
    $master->signal('HUP');
    like $master->after($fail, 'reloaded')->{raw}, qr/generation 2\b/, 'the old one reloads';
    $master->after(sub { $master->signal('USR2') }, 'upgrade');
    $master->after($fail, 'upgrade-failed');
    like $master->reload->{raw}, qr/generation 3\b/, 'once';
};

scene 'a configuration that has become wrong' => sub {
    expect_log(qw(upgrade-failed configuration));
    my $pidfile = directory() . '/pid';
    my $master  = master(server => server()->address, pidfile => $pidfile, -any_stderr => 1);
    my $sound   = read_file($master->{path});
    for my $text ('nonsense', "$sound\n[instance taken]\nlisten = " . server()->address . "\n") {
        $master->write_raw($text);
        $master->after(sub { $master->signal('USR2') }, 'upgrade-failed');
        is read_file($pidfile), $master->pid . "\n", 'the pidfile names the old one';
        is $master->client->login->quit, '+OK bye', 'the old one serves on';
    }
    $master->write_raw($sound);
    is $master->status->{pid}, $master->pid, 'and answers';
    upgrade($master);
    is $master->client->login->quit, '+OK bye', 'mended';
};

scene 'listening addresses are added and removed by the upgrade' => sub {
    my $server = server();
    my $master = master(-instances => [ one => { listen => '127.0.0.1:0' }, two => { listen => '127.0.0.2:0' } ],
        server => $server->address);
    my ($one, $two) = map { $master->address($_) } '127.0.0.1', '127.0.0.2';
    @{ $master->{instances} } = (two => { listen => '127.0.0.2:0' }, three => { listen => '127.0.0.3:0' });
    $master->write;
    my $old = upgrade($master);
    is $master->address('127.0.0.2'), $two, 'kept';
    is $master->client(to => $_)->login->quit, '+OK bye', "served on $_" for $two, $master->address('127.0.0.3');
    ok wait_until(sub { !is_alive($old) }), 'the old one goes';
    ok !$master->connect(to => $one), 'the removed address is closed';
};

scene 'with another pidfile' => sub {
    my ($old, $new) = map { directory() . $_ } '/old', '/new';
    my $master = master(server => server()->address, pidfile => $old);
    $master->change(pidfile => $new);
    upgrade($master);
    is read_file($new), $master->pid . "\n", 'the new one names it';
    ok !-e $old, 'the old one is gone';
    $master->change(pidfile => undef);
    upgrade($master);
    ok !-e $new, 'none';
    is $master->client->login->quit, '+OK bye', 'served';
};

scene 'a new binary whose workers die leaves the pidfile alone' => sub {
    my $wrapper = without_setuid() or plan(skip_all => 'not run by root, or no setpriv');
    expect_log(qw(upgrade-failed worker-died helper-died status fork-throttled privileges));
    my $pidfile = directory() . '/pid';
    my $path    = directory(0755) . '/pop3.proxy';
    symlink program(), $path or die $!;
    my $master = master(server => server()->address, pidfile => $pidfile, -program => $path, -any_stderr => 1);
    write_file("$path.new", "#!/bin/sh\nexec @$wrapper @{[ program() ]} \"\$@\"\n", 0755);
    rename "$path.new", $path or die $!;
    $master->signal('USR2');
    my $new = wait_until(sub { (grep { $_->{pid} != $master->pid } log_lines('worker-died'))[0] }) or die "no new binary\n";
    is read_file($pidfile), $master->pid . "\n", 'as long as it tries';
    kill 'TERM', $new->{pid};
    ok wait_until(sub { $master->events('upgrade-failed') }), 'it gives up';
    is read_file($pidfile), $master->pid . "\n", 'and after it';
};

scene 'detached' => sub {
    my $pidfile = directory() . '/pid';
    my $master  = master(server => server()->address, pidfile => $pidfile, -extra => ['-d'], -start => 0);
    is exit_code($master->run_to_end->{status}), 0, 'started';
    $master->follow(read_file($pidfile) + 0)->ready;
    my $old = upgrade($master);
    is read_file($pidfile), $master->pid . "\n", 'pidfile';
    ok wait_until(sub { !is_alive($old) }), 'the old one goes';
    is $master->client->login->quit, '+OK bye', 'served';
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'and stopped';
    ok !-e $pidfile, 'with the pidfile';
};

# Three servers of a group: one is drained by a command, one is lost, and "staying" has a session at the
# drained one. The master is replaced, or reads its file again, by $renew; sessions go on meanwhile.
sub keeps_what_it_knows {
    my ($name, $renew) = @_;
    scene "what $name keeps of a group, and of users on hold" => sub {
        plan skip_all => 'built without xxHash' if !features()->{groups};
        expect_log(qw(server-down));
        my ($one, $two) = (server(), server());
        my $lost   = IO::Socket::IP->new(LocalHost => "127.0.0.1", LocalPort => 0, Listen => 1)->sockport;   # closed at once
        my %group  = (check_interval => 1, fall => 1, stay => 900, slow_start => 0);
        my $master = master(server => 'group:stores', workers => 2,
            -groups => [ stores => { servers => join(', ', $one->address, $two->address, "127.0.0.1:$lost"), %group } ]);
        my $shown = sub {
            my ($server) = @_;
            my ($state) = grep { $_->{server} eq $server } @{ $master->status->{servers} };
            return $state;
        };
        ok $master->shows(sub { (grep { $_->{server} eq "127.0.0.1:$lost" } @{ $_[0]{servers} })[0]{state} eq 'down' }, 30),
            'a check finds that a server is lost';
        $master->run_command('drain', $two->address);
        my $staying = $master->client->login('staying');
        $master->run_command('ready', $two->address);
        $master->run_command('drain', $one->address);
        my $before = $shown->("127.0.0.1:$lost");
        $master->run_command(qw(hold anna 600));
        my $anna = $master->client;
        $anna->greeting;
        $anna->ask('USER anna');
        $anna->send("PASS $Pop3Test::Client::PASSWORD\r\n");
        ok $master->shows(sub { grep { $_->{stage} eq 'hold' } @{ $_[0]{sessions} } }), 'a login waits';
        $master->change(stores => check_interval => 3600);   # so that only what is kept tells of the server
        $renew->($master);
        my $after = $shown->("127.0.0.1:$lost");
        is_deeply [ @$after{qw(state check)} ], [ @$before{qw(state check)} ], 'a server that is down stays down';
        cmp_ok $after->{failures}{connect}, '>=', $before->{failures}{connect}, 'its failures are kept';
        is $shown->($one->address)->{state}, 'drained', 'one that is drained stays drained';
        is $shown->($one->address)->{sessions}, 1, 'with the session that runs there';
        my @more = map { $master->client->login($_) } 'staying', map { "user$_" } 1 .. 8;
        is users_of($one), 'staying staying', 'a user whose session runs there comes to it, and nobody else';
        is $shown->($one->address)->{sessions}, 2, 'both sessions count';
        is scalar(grep { $_->{user} eq 'anna' } @{ $master->status->{holds} }), 1, 'the hold is in force';
        my $late = $master->client;
        $late->greeting;
        $late->ask('USER anna');
        $late->send("PASS $Pop3Test::Client::PASSWORD\r\n");
        ok $master->shows(sub { grep { $_->{stage} eq 'hold' } @{ $_[0]{sessions} } }), 'a new login waits as well';
        $master->run_command(qw(release anna));
        like $_->reply, qr/^\+OK/, 'both go on' for $anna, $late;
        $_->quit for $anna, $late, $staying, @more;
        ok $master->shows(sub { !grep { $_->{sessions} } @{ $_[0]{servers} } }), 'no session is left in the counts';
        my $next = $master->client->login('staying');
        is users_of($one), 'staying staying', 'after the last session nobody comes to the drained server';
        $next->quit;
    };
    return;
}

# The users of a server. A check is none.
sub users_of { my ($server) = @_; return join ' ', map { ($_->lines)[0] =~ /^USER (.*)/ } grep { $_->lines } $server->connections }

keeps_what_it_knows('a reload', sub { $_[0]->reload });
keeps_what_it_knows('an upgrade', \&upgrade);

for my $places (1, 100) {
    scene "kick reaches sessions that previous programs serve, $places a worker" => sub {
        my $server = server();
        my $master = master(server => $server->address, workers => 2, max_workers => 10, sessions_per_worker => $places);
        my $told   = sub { my $result = $master->run_command(@_); return exit_code($result->{status}) . ": $result->{out}$result->{err}" };
        my (@anna, @bert, $id);
        for my $program (1 .. 3) {
            upgrade($master) if @anna;
            push @anna, $master->client->login('anna');
            push @bert, $master->client->login('bert');
            $master->shows(sub { $id //= (map { $_->{session} } grep { $_->{user} eq 'bert' } @{ $_[0]{sessions} })[0] });
        }
        is $told->('kick', 'Anna'), "0: 3 sessions ended\n", 'of each program';
        for my $client (@anna) {
            ok wait_until(sub { $client->{eof} }), 'the connection is closed';
            is $master->session_of($client)->{reason}, 'kicked', 'the log says why';
        }
        ok !grep({ $_ eq 'QUIT' } map { $_->lines } $server->connections), 'no server gets QUIT';
        is $told->('kick', 'anna'), "69: pop3.proxy: the server says: anna has no session\n", 'none is left';
        is $told->('kick', $id), "0: 1 session ended\n", 'a session by its id';
        ok wait_until(sub { $bert[0]{eof} }), 'it was in the first program';
        is $_->ask('NOOP'), '+OK', 'the others go on' for @bert[ 1, 2 ];
        is $master->reload->{event}, 'reloaded', 'a reload';
        is $told->('kick', 'bert'), "0: 2 sessions ended\n", 'both of another user';
        $master->client->login('carl')->quit;
    };
}

scene 'kick while the previous program hangs' => sub {
    my $master = master(server => server()->address);
    my $held   = $master->client->login('held');
    my $old    = upgrade($master);
    kill 'STOP', $old;
    like $master->ask('kick held'), qr/\Aerror: 0 sessions ended; a previous program, .* does not answer and may have more\n\z/, 'says so';
    kill 'CONT', $old;
    ok wait_until(sub { $held->{eof} }), 'which follows as soon as it can';
};

done;
