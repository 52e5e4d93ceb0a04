# SPDX-License-Identifier: BSD-2-Clause
#
# How a server shows itself: the control socket and the commands that use it, the table, JSON, the
# metrics, the live view. A client of the socket cannot hold up others, and a session cannot forge
# what is shown.

use strict;
use warnings;
use Fcntl qw(:mode);
use Encode ();
use FindBin;
use IO::Socket::IP;
use IO::Socket::UNIX;
use JSON::PP;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process ();
use Pop3Test::Tables qw(reasons totals);

expect_log(qw(configuration reload-failed status));

my @messages = map { "Subject: $_\r\n\r\n" . 'x' x 500 . "\r\n" } 1 .. 3;

# The listening address, known before the server starts.
my $listen = '127.0.0.1:' . Pop3Test::Process::free_port();

# A server with the instance one.
sub daemon {
    my ($server, %option) = @_;
    return master(-in_file => 1, -instances => [ one => { listen => $listen } ], server => $server->address,
        max_workers => 6, grace => 2, %option);
}

my %reasons = reasons();
my @totals  = totals();

# {name}{labels} => value; fails on any line that is not of the format.
sub parse_metrics {
    my ($text) = @_;
    my (%value, %type, @wrong);
    for my $line (split /\n/, $text) {
        if ($line =~ /\A# HELP (\w+) \S.*\z/) { $type{$1} //= '' }
        elsif ($line =~ /\A# TYPE (\w+) (counter|gauge)\z/) { $type{$1} = $2 }
        elsif ($line =~ /\A# TYPE (\w+) histogram\z/) { $type{"$1_$_"} = 'histogram' for qw(bucket sum count) }
        elsif ($line =~ /\A(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\d+(?:\.\d+)?)\z/) {
            push @wrong, "no type: $line" if !$type{$1};
            push @wrong, "twice: $line" if exists $value{$1}{ $2 // '' };
            $value{$1}{ $2 // '' } = $3;
        }
        else { push @wrong, $line }
    }
    is_deeply \@wrong, [], 'every line is of the format';
    return (\%value, \%type);
}

scene 'rows and totals' => sub {
    needs_one_session('counts idle and busy workers');
    my $server = server(messages => [@messages]);
    my $daemon = daemon($server);
    my $json = $daemon->status;
    is_deeply $json->{sessions}, [], 'no session yet';
    is $json->{pid}, $daemon->pid, 'the master\'s process number';
    is $json->{instances}[0]{pools}[0]{$_->[0]}, $_->[1], $_->[0]
        for ['state', 'running'], ['generation', 1], ['max', 6], ['listen', $listen];
    ok $daemon->shows(sub { $_[0]{instances}[0]{pools}[0]{idle} == 2 }), 'two idle workers';

    my $client = $daemon->client->login('joe@example.org');
    my $before = length $client->received;
    $client->fetch('RETR 1');
    $client->ask('DELE 1');
    my $waiting = $daemon->client;
    $waiting->greeting;
    $json = $daemon->shows(sub { @{ $_[0]{sessions} } == 2 });
    ok $json, 'two sessions' or return;
    my ($row) = grep { $_->{user} } @{ $json->{sessions} };
    my ($other) = grep { !$_->{user} } @{ $json->{sessions} };
    is $row->{user},     'joe@example.org', 'user';
    is $row->{client},   '127.0.0.1',       'client';
    is $row->{server},   $server->address,  'server';
    is $row->{stage},    'relay',           'stage';
    is $row->{instance}, 'one',             'instance';
    ok is_alive($row->{pid}), 'pid';
    cmp_ok $row->{octets}, '>', 500, 'octets';
    cmp_ok $row->{age_ms}, '>=', 0, 'age';
    is $other->{stage}, 'login', 'the other one is at its login';
    is $json->{instances}[0]{logins}, 1, 'one login';
    my $table = $daemon->run_command('status');
    is exit_code($table->{status}), 0, 'the command status';
    like $table->{out}, qr/^\s*$row->{pid}  one .* relay .* 127\.0\.0\.1 +joe\@example\.org +\Q@{[ $server->address ]}\E /m, 'row';
    like $table->{out}, qr/^one +\Q$listen\E +running +1 +\d+ +2 +\d+ +\d+ +6 +0 +2 +6$/m, 'pool';
    my $printed = $daemon->run_command('status', '--json');
    is scalar @{ decode_json($printed->{out})->{sessions} }, 2, 'and status --json';

    $client->quit;
    $waiting->quit;
    $json = $daemon->shows(sub { !@{ $_[0]{sessions} } && $_[0]{instances}[0]{ended}{quit} });
    ok $json, 'the sessions have ended' or return;
    my $one = $json->{instances}[0];
    is $one->{sessions}, 2, 'sessions';
    is $one->{logins}, 1, 'logins';
    is $one->{retrieved}, 1, 'retrieved';
    is $one->{deleted}, 1, 'deleted';
    is $one->{ended}{'quit-before-login'}, 1, 'reasons';
    cmp_ok $one->{octets}, '>=', length($client->received) - $before, 'octets';
    is_deeply [ sort keys %{ $one->{ended} } ], [ sort keys %reasons ], 'every reason has its count';
    ok exists $one->{ $_->{name} }, "total $_->{name}" for @totals;
    is $daemon->stop, 0, 'ends in order';
    ok !-e $daemon->{keys}{control}, 'and takes the socket away';
};

scene 'two instances, a reload between' => sub {
    needs_one_session('counts busy workers');
    my $server = server(messages => [@messages]);
    my $daemon = daemon($server, -instances => [ inside => { listen => '127.0.0.1:0' }, outside => { listen => '127.0.0.2:0' } ]);
    my $client = $daemon->client(to => '127.0.0.1')->login;
    $daemon->client(to => '127.0.0.2')->login->quit;
    $daemon->shows(sub { $_[0]{instances}[1]{ended}{quit} });
    is $daemon->reload->{event}, 'reloaded', 'reload';
    my $json = $daemon->shows(sub { @{ $_[0]{instances}[0]{pools} } == 2 && @{ $_[0]{instances}[1]{pools} } == 1 });
    ok $json, 'the old pool stays while it has a session' or return;
    is_deeply [ map { "$_->{generation} $_->{state}" } @{ $json->{instances}[0]{pools} } ],
        [ '1 retiring', '2 running' ], 'old and new';
    is $json->{instances}[1]{logins}, 1, 'totals go on';
    is $json->{sessions}[0]{generation}, 1, 'the session is of the old one';
    my ($value) = parse_metrics($daemon->ask('metrics'));
    is $value->{pop3_proxy_workers_busy}{'instance="inside"'}, 1, 'metrics have one busy worker';
    $client->quit;
    ok $daemon->shows(sub { @{ $_[0]{instances}[0]{pools} } == 1 }), 'and then it is gone';
};

scene 'only the owner may use the socket' => sub {
    my $server = server();
    my $daemon = daemon($server);
    my @stat = stat $daemon->{keys}{control};
    ok S_ISSOCK($stat[2]), 'a socket';
    is S_IMODE($stat[2]), 0600, 'mode 0600';
    is $stat[4], $>, 'of the user who started it';
    SKIP: {
        skip 'not run by root', 2 if !is_root();
        my $other = $daemon->run_command('status', { before => sub { $( = 12345; $) = '12345 12345'; $< = $> = 12346 } });
        is exit_code($other->{status}), 77, 'another user is refused';
        like $other->{err}, qr/\Apop3\.proxy: control = \S+: Permission denied; .*\n\z/, 'in one line';
    }
    is $daemon->ask('no such thing'), qq(error: unknown request; ask one of "status", "status --json", "metrics", "servers", "view", or give an order: kick, hold, release, drain, ready, trace\n),
        'an unknown request gets one line';
    is $daemon->ask('x' x 1000), $daemon->ask(''), 'so does an endless one';
    is $daemon->stop, 0, 'ends in order';
    for my $command ([qw(status)], [qw(status --json)], [qw(metrics)], [qw(top)]) {
        my $result = $daemon->run_command(@$command);
        is exit_code($result->{status}), 69, "@$command without a server";
        like $result->{err}, qr/\Apop3\.proxy: no server answers at control = \S+; is it running\?\n\z/, 'in one line';
    }
    $daemon->change(control => undef);
    my $result = $daemon->run_command('status');
    is exit_code($result->{status}), 78, 'without the key';
    like $result->{err}, qr/\Apop3\.proxy: \S+: no control socket; set control = PATH .*\n\z/, 'in one line';
};

scene 'another file or server at the path of the socket' => sub {
    my $server = server();
    my $daemon = daemon($server, -start => 0, -any_exit => 1, -any_stderr => 1);
    my $path = $daemon->{keys}{control};
    write_file($path, 'precious');
    $daemon->start_only;
    is exit_code($daemon->wait), 71, 'a file that is not a socket';
    like $daemon->stderr, qr/conf:\d+: control = \Q$path\E: the file is not a socket; /, 'is named';
    is read_file($path), 'precious', 'and left alone';
    unlink $path;
    { my $stale = IO::Socket::UNIX->new(Local => $path, Listen => 1) }
    ok -S $path, 'a stale socket';
    $daemon->start;
    is $daemon->status->{pid}, $daemon->pid, 'is replaced, and the server answers';

    my $second = daemon($server, -instances => [ one => { listen => '127.0.0.1:0' } ], -start => 0, control => $path, -any_exit => 1, -any_stderr => 1);
    $second->start_only;
    is exit_code($second->wait), 71, 'a second server on the same path';
    like $second->stderr, qr/control = \Q$path\E: another server answers there; /, 'is refused';
    is $daemon->status->{pid}, $daemon->pid, 'the first still answers';
    ok !-e "$path.new", 'nothing is left lying about';

    $daemon->change(control => "$path-2");
    is $daemon->reload->{event}, 'reloaded', 'another path at a reload';
    is $daemon->status->{instances}[0]{pools}[-1]{generation}, 2, 'answers';
    ok !-e $path, 'the old one is gone';
    write_file($path, 'precious');
    $daemon->change(control => $path);
    like $daemon->reload->{text}, qr/event=reload-failed .*the file is not a socket/, 'a path that cannot be had';
    $daemon->change(control => "$path-2");
    is $daemon->status->{instances}[0]{pools}[-1]{generation}, 2, 'leaves the old one in force';
    unlink "$path-2";
    is $daemon->reload->{event}, 'reloaded', 'a socket that was removed';
    is $daemon->status->{pid}, $daemon->pid, 'is there again';
    $daemon->change(control => undef);
    is $daemon->reload->{event}, 'reloaded', 'no socket any more';
    ok !-e "$path-2", 'is gone';
    ok wait_until(sub { !$daemon->status_pid }), 'and so is the process';
};

scene 'metrics' => sub {
    my $server = server(messages => [@messages]);
    my $daemon = daemon($server);
    my $client = $daemon->client->login;
    $client->fetch('RETR 1');
    $client->quit;
    my $held = $daemon->client->login;
    $daemon->shows(sub { $_[0]{instances}[0]{ended}{quit} && @{ $_[0]{sessions} } });
    my $text = $daemon->ask('metrics');
    my ($value, $type) = parse_metrics($text);
    is $value->{"pop3_proxy_$_->[0]"}{'instance="one"'}, $_->[1], $_->[0]
        for [ 'sessions_total', 2 ], [ 'logins_total', 2 ], [ 'retrieved_messages_total', 1 ],
            [ 'workers_busy', 1 ], [ 'workers_max', 6 ];
    for my $total (@totals) {
        is $type->{"pop3_proxy_$total->{metric}_total"}, 'counter', "$total->{metric} is a counter";
    }
    my $ended = $value->{pop3_proxy_sessions_ended_total};
    for my $name (qw(login connect)) {
        my $metric = "pop3_proxy_${name}_seconds";
        is $type->{"${metric}_bucket"}, 'histogram', "$name: a histogram";
        is $value->{"${metric}_count"}{'instance="one"'}, 2, "$name: two";
        cmp_ok $value->{"${metric}_sum"}{'instance="one"'}, '>', 0, "$name: they took time";
        my $buckets = $value->{"${metric}_bucket"};
        my @bounds = sort { ($a eq '+Inf') <=> ($b eq '+Inf') || $a <=> $b } map { /le="([^"]+)"/ } keys %$buckets;
        is "@bounds[ 0, -2, -1 ]", '0.001 30 +Inf', "$name: from 1 ms to 30 s";
        my @counts = map { $buckets->{qq(instance="one",le="$_")} } @bounds;
        is_deeply \@counts, [ sort { $a <=> $b } @counts ], "$name: a bucket contains the smaller ones";
        is $counts[-1], 2, "$name: the last one all";
    }
    is $value->{pop3_proxy_route_seconds_count}{'instance="one"'}, 0, 'no table was asked';
    is_deeply [ sort map { /reason="([^"]+)"/ } keys %$ended ], [ sort keys %reasons ], 'a counter for every reason';
    is $ended->{'instance="one",reason="quit"'}, 1, 'one has ended by QUIT';
    my $printed = $daemon->run_command('metrics');
    is join("\n", grep { /^#/ } split /\n/, $printed->{out}), join("\n", grep { /^#/ } split /\n/, $text),
        'the command prints the same';
    $held->quit;
};

# One request over HTTP; status, headers, body.
sub http {
    my ($port, $request) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port, Proto => 'tcp') or return;
    my $stream = Pop3Test::Stream->new($socket, name => 'http');
    $stream->send($request // "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until(sub { $stream->{eof} });
    my ($status, $headers, $body) = $stream->{all} =~ m{\AHTTP/1\.1 (\d+) [^\r]*\r\n(.*?)\r\n\r\n(.*)\z}s;
    $stream->close;
    return ($status, $headers, $body);
}

scene 'metrics over HTTP' => sub {
    my $server = server();
    my $port   = Pop3Test::Process::free_port();
    my $daemon = daemon($server, -start => 0, metrics_listen => "127.0.0.1:$port",
        features()->{metrics} ? () : (-any_exit => 1, -any_stderr => 1));
    $daemon->start_only;
    if (!features()->{metrics}) {
        isnt exit_code($daemon->wait), 0, 'without the library';
        like $daemon->stderr, qr/metrics_listen = \S+ this pop3\.proxy is built without libmicrohttpd; /, 'the key is refused';
        return;
    }
    $daemon->ready;
    my ($status, $headers, $body) = http($port);
    is $status, 200, 'GET /metrics';
    like $headers, qr{^Content-Type: text/plain; version=0\.0\.4}m, 'type';
    my ($value) = parse_metrics($body);
    is $value->{pop3_proxy_workers_max}{'instance="one"'}, 6, 'metrics';
    my $client = $daemon->client->login('joe');
    ok wait_until(sub { (http($port))[2] =~ /^pop3_proxy_current_sessions\{instance="one"\} 1$/m }), 'a kept text is made again';
    $client->quit;
    is +(http($port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))[0], 404, 'another path';
    is +(http($port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"))[0], 405, 'another method';
    is +(http($port, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))[2], '', 'HEAD';
    my @stuck = map { IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port, Proto => 'tcp') } 1 .. 100;
    syswrite $_, 'GET /' for grep { defined } @stuck;
    is +(http($port))[0], 200, '100 stuck clients do not hold up others';
    $_->blocking(0) for @stuck;
    ok scalar(grep { !defined sysread($_, my $octets, 1) && $!{EAGAIN} } @stuck), 'while some are still there';
    @stuck = ();
    is $daemon->reload->{event}, 'reloaded', 'reload';
    is +(http($port))[0], 200, 'answers after it';
    my $other = Pop3Test::Process::free_port();
    $daemon->change(metrics_listen => "127.0.0.1:$other");
    is $daemon->reload->{event}, 'reloaded', 'another port at a reload';
    is +(http($other))[0], 200, 'answers';
    is http($port), undef, 'the old one is closed';
    my $taken = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1, Proto => 'tcp');
    $daemon->change(metrics_listen => '127.0.0.1:' . $taken->sockport);
    like $daemon->reload->{text}, qr/event=reload-failed .*metrics_listen = \S+: .*in use/, 'a port in use';
    is +(http($other))[0], 200, 'leaves the old one in force';
    is $daemon->stop, 0, 'ends in order';
    is http($other), undef, 'the port is closed';
};

scene 'stuck clients do not hold up others' => sub {
    my $server = server();
    my $daemon = daemon($server);
    my @silent = map { $daemon->control } 1 .. 64;
    my @deaf   = map { $daemon->control('status')->hold } 1 .. 40;
    ok $daemon->status, "answer $_" for 1 .. 5;
    ok scalar(grep { $_->is_open } @silent), 'while some of the others are still there';
    my $dripping = $daemon->control;
    $dripping->send('s');
    ok wait_until(sub { $dripping->{eof} }), 'half a request is cut in the end';
    $_->close for @silent, @deaf;
};

scene 'the status process is started again' => sub {
    plan(skip_all => 'needs /proc') if !-d '/proc/self/fd';
    my $server = server(messages => [@messages]);
    my $daemon = daemon($server);
    my $client = $daemon->client->login;
    for my $time (1 .. 3) {
        my $pid = wait_until(sub { $daemon->status_pid }) or return fail('no status process');
        my $facts = facts($pid);
        is $facts->{Uid} =~ s/\s.*//r, is_root() ? 65535 : $>, 'without privileges';
        is hex $facts->{CapEff}, 0, 'nor capabilities' if is_root();
        my @open = descriptors($pid);
        cmp_ok scalar @open, '<=', 12, 'and few descriptors: ' . scalar @open;
        kill 'KILL', $pid;
        ok wait_until(sub { ($daemon->status_pid // $pid) != $pid }), "killed and back ($time)";
        is $daemon->status->{instances}[0]{logins}, 1, 'with all totals';
    }
    ok scalar(grep { $_->{text} =~ /the process died \(signal 9\); a new one is started in 0\.4 s"/ } $daemon->events('status')), 'the pause grows';
    kill 'STOP', my $pid = $daemon->status_pid;
    like $client->ask('STAT'), qr/^\+OK 3 /, 'a stopped one is no matter to sessions';
    is $daemon->reload->{event}, 'reloaded', 'nor to a reload';
    is $daemon->status->{instances}[0]{logins}, 1, 'which brings a new one';
    kill 'CONT', $pid;
    $client->quit;
};

scene 'the status process ends with the master' => sub {
    plan(skip_all => 'needs /proc') if !-d '/proc/self/fd';
    my $server = server();
    my $daemon = daemon($server);
    my $pid = wait_until(sub { $daemon->status_pid }) or return fail('no status process');
    my @all = descendants($daemon->pid);
    $daemon->process->signal('KILL');
    ok wait_until(sub { !is_alive($pid) }), 'gone';
    is $daemon->ask('status'), undef, 'the socket does not answer';
    ok wait_until(sub { !grep { is_alive($_) } @all }), 'and all others are gone';
    $daemon->wait;
    $daemon->start;
    is $daemon->status->{pid}, $daemon->pid, 'the next one takes the path over';
};

scene 'hostile names' => sub {
    my $server = server();
    my $daemon = daemon($server, select_server => 'yes');
    my @names = (
        [ "\xc3\xa9\x9b31m" => "\x{e9}?31m" ], [ "j\xc3\xb6rg\xc3\xa9" => "j\x{f6}rg\x{e9}" ], [ "a\xe2\x80\xaeb" => 'a?b' ], [ "a\xc2\x9bb" => 'a?b' ],
        [ "\xe4\xb8\xad\xe6\x96\x87" => "\x{4e2d}\x{6587}" ], [ 'x' x 200 => 'x' x 60 . "\x{2026}" ], [ 'x' x 63 => 'x' x 63 ],
        [ "\xc3\xb6" x 40 => "\x{f6}" x 30 . "\x{2026}" ],
        map { [ $_ => $_ ] } 'joe","user":"root', 'joe"}],"x":[{"', 'a\\', '\\"', 'joe root relay', '%s%n%x', "joe{instance=\"x\"}", '</td>', '-', '0');
    for my $row (@names) {
        my ($name, $shown) = @$row;
        my $client = $daemon->client;
        $client->greeting;
        my $reply = $client->ask("USER $name");
        my $login = $reply =~ /^\+OK/ ? $client->ask("PASS $Pop3Test::Client::PASSWORD") : $reply;
        if ($login !~ /^\+OK/) {
            pass('refused: ' . show($name));
            $client->close;
            $daemon->shows(sub { !@{ $_[0]{sessions} } });
            next;
        }
        my $json = $daemon->shows(sub { @{ $_[0]{sessions} } == 1 });
        ok $json, 'one session: ' . show($name) or next;
        my $session = $json->{sessions}[0];
        is $session->{user}, $shown, 'its user';
        is join(' ', sort keys %$session), 'age_ms client generation instance octets pid server session stage user', 'no key more';
        my $text = Encode::decode('UTF-8', $daemon->ask('status'), Encode::FB_CROAK);
        my ($heading) = $text =~ /^(.*)\bSESSION$/m;
        my @rows = $text =~ /^( *$session->{pid} .*)$/mg;
        is scalar @rows, 1, 'one row';
        my @cells = split ' ', $rows[0];
        is scalar @cells, 9, 'of nine columns';
        is $cells[6], $shown =~ s/ /\x{2423}/gr, 'the user is one word';
        my $wide = () = $rows[0] =~ /\p{Han}/g;   # two columns each
        is index($rows[0], " $session->{session}") + 1 + $wide, length $heading, 'the last column stands below its heading';
        unlike $text, qr/[^\P{C}\n]/, 'nothing that cannot be seen';
        my ($view) = $daemon->ask('view') =~ /^(\d+ $session->{pid} .*)$/m;
        is Encode::decode('UTF-8', $view =~ s/.*? =//r), $shown, 'and in the compact form';
        $client->quit;
        $daemon->shows(sub { !@{ $_[0]{sessions} } });
    }
    parse_metrics($daemon->ask('metrics'));
};

scene 'the next binary takes over' => sub {
    my $server = server();
    my $port   = features()->{metrics} ? Pop3Test::Process::free_port() : undef;
    my $daemon = daemon($server, metrics_listen => $port && "127.0.0.1:$port");
    my $old    = $daemon->process;
    my $client = $daemon->client->login;
    $daemon->after(sub { $daemon->signal('USR2') }, 'master-draining');
    my $next = $daemon->status->{pid};
    isnt $next, $old->pid, 'the new one answers';
    is +(http($port))[0], 200, 'so do the metrics' if $port;
    $daemon->follow($next);
    $client->quit;
    is exit_code($old->wait), 0, 'the old one has ended';
    is $daemon->status->{pid}, $next, 'and left the socket alone';
    is +(http($port))[0], 200, 'and the metrics' if $port;
    is $daemon->stop, 0, 'the new one ends in order';
    ok !-e $daemon->{keys}{control}, 'and takes its socket away';
};

scene 'the live view' => sub {
    my $server = server();
    my $daemon = daemon($server);
    my $client = $daemon->client->login('joe');
    pipe my $read, my $write or die "pipe: $!\n";
    my $top = Pop3Test::Process::spawn(
        command => [ program(), '-f', $daemon->{path}, 'top' ], fds => { 1 => $write });
    close $write;
    my $stream = Pop3Test::Stream->new($read, name => 'top');
    ok wait_until(sub { $stream->{all} =~ /^PER SECOND/m }), 'totals become rates';
    like $stream->{all}, qr/\Apop3\.proxy [\d.]+  pid @{[ $daemon->pid ]}  up .*^TOTALS.*^ *\d+  one .* relay .* joe /ms, 'a picture';
    unlike $stream->{all}, qr/\e/, 'no sequences where there is no terminal';
    $top->signal('TERM');
    is exit_code($top->wait), 0, 'ends when told';
    $stream->close;
    SKIP: {
        my $terminal = eval { Terminal->new } or skip 'no terminal to be had', 14;
        $top = Pop3Test::Process::spawn(
            command => [ program(), '-f', $daemon->{path}, 'top' ], env => { TERM => 'xterm' },
            fds => { map { $_ => $terminal->{inner} } 0 .. 2 });
        $stream = Pop3Test::Stream->new($terminal->{outer}, name => 'terminal');
        ok wait_until(sub { $stream->{all} =~ /oldest first/ }), 'on a terminal';
        $stream->send('o');
        ok wait_until(sub { $stream->{all} =~ /biggest first/ }), 'a key is obeyed';
        my @wide = grep { length > 80 } split /\e\[K\r+\n|\e\[J/, $stream->{all} =~ s/\e\[(?:\?\d+[hl]|H)//gr;
        is_deeply \@wide, [], 'no line is wider than the terminal';
        my @more    = map { my $other = $daemon->client; $other->greeting; $other } 1 .. 3;
        my $picture = sub { return (split /\e\[H/, $stream->{all})[-2] // '' };     # the last whole one
        my $shows   = sub {
            my ($keys, $pattern) = @_;
            $stream->send($keys);
            return wait_until(sub { $picture->() =~ $pattern }) || !diag($picture->());
        };
        $terminal->resize(10, 80);
        ok $shows->('0',     qr/GENERATION.*PER SECOND.*\b1-9 of 13\b/s), 'ten rows: what does not fit is said';
        ok $shows->('jj',    qr/\b3-11 of 13\b/), 'j: further down';
        ok $shows->('k',     qr/\b2-10 of 13\b/), 'k: up';
        ok $shows->("\e[B",  qr/\b3-11 of 13\b/), 'an arrow does the same';
        ok $shows->("\e[5~", qr/\b1-9 of 13\b/),  'a page up, not beyond the first line';
        ok $shows->('  ',    qr/\b5-13 of 13\b/), 'two pages down, not beyond the last one';
        ok $shows->('1', qr/\A(?!.*PER SECOND)(?!.* of ).*GENERATION/s), '1: the pools alone';
        ok $shows->('2', qr/\A(?!.*GENERATION)(?!.* of ).*PER SECOND/s), '2: the totals alone';
        ok $shows->('3', qr/\A(?!.*GENERATION)(?!.*PER SECOND)(?!.* of ).*STAGE/s), '3: the sessions alone';
        $_->quit for @more;
        $stream->send('q');
        is exit_code($top->wait), 0, 'q leaves';
        ok wait_until(sub { $stream->{all} =~ /\e\[\?25h\e\[\?1049l\z/ }), 'and gives the terminal back';
        $stream->close;
    }
    $client->quit;
};

done;

# A pseudo-terminal; Perl has no module for it by default.
package Terminal;

sub new {
    my ($class) = @_;
    my ($unlock, $number) = (0x40045431, 0x80045430);     # TIOCSPTLCK, TIOCGPTN of Linux
    open my $outer, '+<', '/dev/ptmx' or die;
    my $unlocked = pack 'i', 0;
    ioctl $outer, $unlock, $unlocked or die;
    my $answer = pack 'i', 0;
    ioctl $outer, $number, $answer or die;
    open my $inner, '+<', '/dev/pts/' . unpack 'i', $answer or die;
    return bless { outer => $outer, inner => $inner }, $class;
}

sub resize {
    my ($self, $rows, $columns) = @_;
    my $size = pack 'S4', $rows, $columns, 0, 0;
    ioctl $self->{outer}, 0x5414, $size or die "TIOCSWINSZ: $!\n";
    return;
}
