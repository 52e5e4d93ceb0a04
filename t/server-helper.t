# SPDX-License-Identifier: BSD-2-Clause
#
# What workers leave to the helper: programs, names, the client log. When it is slow, dies or hangs,
# sessions wait for it within their limits.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Handle;
use IO::Socket::UNIX;
use POSIX ();
use Pop3Test::Names;
use Pop3Test::Process qw(descriptors fork_off);

sub helper {
    my ($master) = @_;
    return wait_until(sub { my @found = $master->helpers; @found == 1 && $found[0] }) || die "no helper\n";
}

scene 'names, programs and the client log' => sub {
    my $server = server();
    my $dir    = directory(0777);
    my $master = master(-instances => [ one => { listen => '127.0.0.1:0' }, two => { listen => '127.0.0.2:0', acp_prefix => 'TWO_' } ],
        server => "localhost:$server->{port}", client_log => $dir, workers => 4,
        acp => acp("env | grep -E '^(PROXY|TWO)_(INTERFACE|CLIENT|SERVERLOGIN)=' | sort | tr '\\n' ' ' >&2"));
    my @client = map { my $to = $_; map { $master->client(to => $to, from => "127.0.3.$_") } 1 .. 4 } '127.0.0.1', '127.0.0.2';
    $_->send("USER joe\r\nPASS x\r\n") for @client;
    like join('', map { $_->greeting; $_->reply . $_->reply } @client), qr/\A(?:\+OK[^-]*){16}\z/, 'eight at once';
    is $_->quit, '+OK bye', 'in order' for @client;
    my @said = map { $_->{f}{text} } log_lines('acp-output');
    is scalar(grep { /PROXY_CLIENT=127\.0\.3\.\d PROXY_INTERFACE=127\.0\.0\.1 PROXY_SERVERLOGIN=joe/ } @said), 4, 'one instance';
    is scalar(grep { /TWO_CLIENT=127\.0\.3\.\d TWO_INTERFACE=127\.0\.0\.2 TWO_SERVERLOGIN=joe/ } @said), 4, 'and the other';
    like read_file("$dir/127.0.3.$_"), qr/\A\d+ 127\.0\.3\.$_ joe localhost:\d+\n\z/, "client log $_" for 1 .. 4;
    ok wait_until(sub { 2 == $master->helpers }), 'a helper each';
};

# The sockets of a worker whose sessions have all ended.
sub idle_sockets {
    my ($master, $user) = @_;
    my $client = $master->client->login($user);
    my $worker = $master->worker_of($user);
    $client->quit;
    my $server_is_closed = sub { $master->session_of($client) };
    wait_until($server_is_closed);
    my @found;
    wait_until(sub { my @now = sort(grep { /^socket:/ } descriptors($worker)); my $is_same = "@now" eq "@found"; @found = @now; $is_same });
    return join ' ', @found;
}

scene 'a pair of sockets serves one question after the other' => sub {
    my ($default, $own) = (server(), server());
    my $table  = write_file(directory() . '/table', 'joe ' . $own->address . "\n");
    my $master = master(server => $default->address, route => "file:$table", workers => 1, max_workers => 1);
    my $once   = idle_sockets($master, 'joe');
    my $helper = helper($master);
    my $held   = join ' ', sort(descriptors($helper));
    is idle_sockets($master, 'eve'), $once, 'the second login has made none';
    is join(' ', sort(descriptors($helper))), $held, 'and the helper has the same descriptors';
    $master->reload;
    wait_until(sub { helper($master) != $helper });
    is $master->client->login('joe')->quit, '+OK bye', 'after a reload';
    expect_log(qw(helper-died fork-throttled));
    is $master->client->login('joe')->quit, '+OK bye', 'a pair is kept';
    my $old = helper($master);
    kill 'KILL', $old;
    is $master->client->login('joe')->quit, '+OK bye', 'its helper was killed: another is made';
    is scalar(grep { /^USER joe/ } $own->lines), 4, 'joe at his own server each time';
    is join(' ', grep { /^USER/ } $default->lines), 'USER eve', 'and only eve at the default';
};

scene 'an answer that comes too late is not for the next session' => sub {
    expect_reason('login-timeout');
    my ($default, $annas, $berts) = (server(), server(), server());
    my $dir = directory(0777);
    POSIX::mkfifo("$dir/gate", 0666) or die "mkfifo: $!\n";
    my %server = (anna => $annas->address, bert => $berts->address);
    my $listener = IO::Socket::UNIX->new(Local => "$dir/socketmap", Listen => 16) or die "socketmap: $!\n";
    chmod 0777, "$dir/socketmap", "$dir/gate";
    # Each connection has a process of its own: anna's question is answered when the gate opens.
    my $table = fork_off('table', sub {
        while (my $connection = $listener->accept) {
            next if fork;
            while (sysread $connection, my $question, 4096) {
                my ($user) = $question =~ /(anna|bert)/;
                if ($user eq 'anna') { open my $gate, '<', "$dir/gate" or die "gate: $!\n"; readline $gate; }
                my $answer = "OK $server{$user}";
                syswrite $connection, length($answer) . ":$answer,";
            }
            POSIX::_exit(0);
        }
    });
    my $master = master(server => $default->address, route => "socketmap:unix:$dir/socketmap:users", workers => 1, max_workers => 1,
        login_timeout => 2, route_timeout => 60, route_stale => 0);
    is $master->client->login('bert')->quit, '+OK bye', 'a pair is kept';
    my $anna = $master->client;
    like $anna->try_login('anna'), qr/^-ERR/, 'the session gives up';
    my $bert = $master->client->login('bert');
    { open my $gate, '>', "$dir/gate" or die "gate: $!\n"; print {$gate} "go\n"; }
    is $bert->quit, '+OK bye', 'the next one has its own answer';
    is $master->client->login('bert')->quit, '+OK bye', 'and the one after the late answer, too';
    is join(' ', map { scalar grep { /^USER bert/ } $_->lines } $berts, $annas, $default), '3 0 0', 'always at the own server';
    is join(' ', map { scalar grep { /^USER/ } $_->lines } $annas, $default), '0 0', 'nobody is anywhere else';
};

scene 'the helper is killed' => sub {
    expect_log(qw(helper-died fork-throttled));
    my $server = server();
    my $master = master(server => "localhost:$server->{port}", acp => acp('exit 0'));
    my $held   = $master->client->login('held');
    for my $round (1 .. 3) {
        my $old = helper($master);
        kill 'KILL', $old;
        is $master->client->login->quit, '+OK bye', "killed ($round): the next session waits and gets through";
        wait_until(sub { helper($master) != $old });
    }
    is $held->quit, '+OK bye', 'who does not need it does not notice';
};

scene 'the helper is killed while it works on a question' => sub {
    expect_log(qw(helper-died fork-throttled));
    my $server = server();
    my $asked  = directory(0777) . '/asked';
    my $never  = never();
    my $master = master(server => $server->address, acp_timeout => 60,
        acp => acp("echo \$\$ >>$asked; [ \$(wc -l <$asked) -gt 1 ] || read go <$never"));
    my $client = $master->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    ok wait_until(sub { -s $asked }), 'asked';
    my ($program) = read_file($asked) =~ /(\d+)/;
    kill 'KILL', helper($master);
    like $client->reply, qr/^\+OK/, 'asked again, and granted';
    ok wait_until(sub { !is_alive($program) }), 'the first program has ended';
    is $client->quit, '+OK bye', 'in order';
};

scene 'a helper that does not answer' => sub {
    expect_reason(qw(login-timeout acp-timeout acp-failed));
    expect_log('master');
    my $server = server();
    my $master = master(server => $server->address, acp => acp('exit 0'), login_timeout => 1, acp_timeout => 60,
        grace => 1);
    my $helper = helper($master);
    kill 'STOP', $helper;
    my $client = $master->client;
    like $client->try_login, qr/^-ERR \[SYS\/TEMP\]/, 'the session ends';
    is $master->session_of($client)->{reason}, 'login-timeout', 'at its limit';
    kill 'CONT', $helper;
    is $master->client->login->quit, '+OK bye', 'when it goes on, so does service';
    kill 'STOP', $helper;
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'a stop all the same';
    ok !is_alive($helper), 'without it';
};

scene 'a program that hangs' => sub {
    expect_log('acp-failed');
    expect_reason('acp-timeout');
    my $dir    = directory(0777);
    my $never  = never();
    my $master = master(server => server()->address, acp_timeout => 1, login_timeout => 600, workers => 3,
        acp => acp("[ \$PROXY_SERVERLOGIN = good ] && exit 0; (read go <$never) & echo \$! \$\$ >>$dir/pids; wait"));
    my $hang = sub {
        my ($count) = @_;
        my @stuck = map { $master->client } 1 .. 2;
        $_->send("USER bad\r\nPASS x\r\n") for @stuck;
        ok wait_until(sub { -s "$dir/pids" && $count == (() = read_file("$dir/pids") =~ /\n/g) }), 'two hang';
        return @stuck;
    };
    like $_->rest, qr/-ERR \[SYS\/TEMP\][^\r\n]*\r\n\z/, 'refused at the limit' for $hang->(2);
    ok wait_until(sub { !grep { is_alive($_) } read_file("$dir/pids") =~ /(\d+)/g }), 'killed with all they started';
    ok wait_until(sub { 3 + 2 == $master->children }), 'no process is left';
    $master->change(acp_timeout => 600)->reload;
    $hang->(4);
    is $master->client->login('good')->quit, '+OK bye', 'others are served meanwhile';
    my @pids = read_file("$dir/pids") =~ /(\d+)/g;
    is scalar(grep { is_alive($_) } @pids), 4, 'they hang on';
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'stopped';
    ok wait_until(sub { !grep { is_alive($_) } @pids }), 'they go with their sessions';
};

scene 'a helper that does not answer is replaced' => sub {
    expect_log(qw(helper-hung helper-died));
    my $master = master(server => server()->address, acp => acp('exit 0'), login_timeout => 60, acp_timeout => 60);
    my $helper = helper($master);
    kill 'STOP', $helper;
    is $master->client->login->quit, '+OK bye', 'the session waits for the next one';
    ok !is_alive($helper), 'the first is gone';
    isnt helper($master), $helper, 'there is another';
};

# A FIFO, open to write: each line that goes in lets one program go on that reads from it.
sub gate {
    my $path = directory(0777) . '/gate';
    POSIX::mkfifo($path, 0666) && chmod(0666, $path) or die "mkfifo: $!\n";
    open my $in, '+<', $path or die "$path: $!\n";
    $in->autoflush(1);
    return ($path, $in);
}

sub limited { my ($limit) = @_; return [ 'sh', '-c', "ulimit $limit && exec \"\$@\"", 'sh' ] }

scene 'more programs at once than the first limit of open files has room for' => sub {
    my ($gate, $in) = gate();
    my $dir    = directory(0777);
    my $master = master(server => server()->address, acp_timeout => 60, login_timeout => 60, workers => 30,
        -wrapper => limited('-Sn 40'), acp => acp("ulimit -Sn >>$dir/limits; read go <$gate"));
    my @client = map { $master->client(from => "127.0.3.$_") } 1 .. 30;
    $_->send("USER joe\r\nPASS x\r\n") for @client;
    ok wait_until(sub { -e "$dir/limits" && 30 == (() = read_file("$dir/limits") =~ /\n/g) }), 'all run';
    is read_file("$dir/limits"), "40\n" x 30, 'each with the first limit';
    print {$in} "\n" x 30;
    for my $client (@client) {
        $client->greeting;
        $client->reply;
        like $client->reply, qr/^\+OK/, 'granted';
    }
    is $_->quit, '+OK bye', 'in order' for @client;
};

scene 'programs of one address wait in line, those of another do not wait for them' => sub {
    needs_one_session('the limit of open files leaves room for 12 programs');
    my ($gate, $in) = gate();
    my $dir    = directory(0777);
    my $master = master(server => server()->address, acp_timeout => 60, login_timeout => 60, workers => 8,
        -wrapper => limited('-n 200'),                   # 12 programs may run, 3 of one address
        acp => acp("[ \$PROXY_SERVERLOGIN = other ] && exit 0; echo \$PROXY_SERVERLOGIN >>$dir/asked; read go <$gate"));
    my $asked  = sub { return -e "$dir/asked" ? join ' ', read_file("$dir/asked") =~ /(\w+)\n/g : '' };
    my @client = map {
        my $client = $master->client(from => '127.0.3.1');
        $client->greeting;
        $client->ask("USER u$_");
        $client->send_line('PASS x');
        my $number = $_;
        wait_until(sub { $asked->() eq join ' ', map { "u$_" } 1 .. $number }) if $_ <= 3;
        $client;
    } 1 .. 6;
    is $master->client(from => '127.0.3.2')->login('other')->quit, '+OK bye', 'another address is served';
    is $asked->(), 'u1 u2 u3', 'three of the first run';
    print {$in} "\n" x 2;
    ok wait_until(sub { $asked->() =~ /\Au1 u2 u3 (?:u4 u5|u5 u4)\z/ }), 'the next two run when two have ended' or diag($asked->());
    print {$in} "\n" x 4;
    like $_->reply, qr/^\+OK/, 'granted' for @client;
};

scene 'a session that ends also ends its program' => sub {
    expect_reason('acp-failed');
    my $dir    = directory(0777);
    my $never  = never();
    my $master = master(server => server()->address, acp => acp("echo \$\$ >$dir/pid; read go <$never"), acp_timeout => 60);
    my $client = $master->client;
    $client->send("USER joe\r\nPASS x\r\n");
    ok wait_until(sub { -s "$dir/pid" }), 'it runs';
    my ($pid) = read_file("$dir/pid") =~ /(\d+)/;
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'stopped';
    ok wait_until(sub { !is_alive($pid) }), 'and the program with it';
};

scene 'names: one query for each time to live; a limit when nobody answers' => sub {
    my $why_not = why_no_namespace();
    plan(skip_all => $why_not) if defined $why_not;
    my ($address, $is_silent) = ('127.0.0.1', 0);
    my $names = name_server(sub { $is_silent ? undef : [ A($address, 30) ] });
    expect_reason(qw(resolve-timeout resolve-failed login-timeout));
    expect_log('resolve-failed');
    my $server = server();
    my $master = master(server => "mail.example.org:$server->{port}", workers => 4, login_timeout => 2,
        -wrapper => $names->{wrapper});
    is $master->client->login->quit, '+OK bye', 'resolved';
    is $names->asked(qr/ 1\z/), 1, 'by one query';
    $address = '127.0.0.99';
    is $master->client->login("n$_")->quit, '+OK bye', "session $_" for 1 .. 10;
    is $names->asked(qr/ 1\z/), 1, 'which serves all sessions of all workers';
    @{ $names->{queries} } = ();
    $is_silent = 1;
    $master->change(select_server => 'yes', delimiters => '@')->reload;
    my @client = map { $master->client } 1 .. 4;
    $_->send("USER joe\@silent.example.org\r\nPASS x\r\n") for @client;
    like $_->rest, qr/-ERR \[SYS\/TEMP\][^\r\n]*\r\n\z/, 'nobody answers' for @client;
    is $master->session_of($_)->{reason}, 'login-timeout', 'the limit holds' for @client;
    cmp_ok $names->asked(qr/silent.* 1\z/), '<=', 4, 'and one query stood for all';
    ($address, $is_silent) = ('127.0.0.1', 0);
    is $master->client->login("joe\@silent.example.org:$server->{port}")->quit, '+OK bye', 'asked again when it answers';
};

scene 'an address that names dead zones does not take the names from others' => sub {
    needs_one_session('the limit of open files is too low for more');
    my $why_not = why_no_namespace();
    plan(skip_all => $why_not) if defined $why_not;
    my $names   = name_server(sub { return });
    my $wrapper = [ @{ limited('-n 64') }, @{ $names->{wrapper} } ];
    expect_reason(qw(resolve-failed resolve-timeout login-timeout client-closed client-lost));
    expect_log('resolve-failed');
    my $server = server();
    my $master = master(server => '-', select_server => 'yes', delimiters => '@', workers => 70, login_timeout => 30, -wrapper => $wrapper, -in_file => 1);
    my $lines  = sub { my ($event) = @_; return grep { $_->{event} eq $event } $master->{log}->lines };
    my @client = map { $master->client(from => '127.0.3.1') } 1 .. 60;
    $client[$_]->send("USER joe\@dead$_.example.org\r\nPASS x\r\n") for 0 .. $#client;
    ok wait_until(sub { grep { $_->{f}{reason} eq 'resolve-failed' } $lines->('session') }), 'there is a limit';
    like $master->client(from => '127.0.3.2')->try_login("joe\@localhost:$server->{port}"), qr/^\+OK/, 'another address has its name looked up';
    ok wait_until(sub { 60 - 8 == grep { ($_->{f}{error} // '') =~ /too many requests of its address/ } $lines->('resolve-failed') }),
        'eight wait, the others are refused';
    $_->close for @client;
};

done;
