# SPDX-License-Identifier: BSD-2-Clause
#
# The status page: what it tells whom, its headers, and what a browser without and with JavaScript makes of it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Handle ();
use IO::Socket::UNIX ();
use JSON::PP ();
use Pop3Test::Loop qw(watch_read unwatch);
use Pop3Test::Process qw(installed free_port);

expect_reason('connect-failed');

my $EVIL = '<script>document.title="taken"</script>';

sub with_page {
    my ($page, %keys) = @_;
    my $port   = free_port();
    my $master = master(metrics_listen => "127.0.0.1:$port", ($page ? (status_page => $page) : ()), %keys);
    return ($master, $port);
}

# The status, the headers by their small names, and the body.
sub get {
    my ($port, $path, @headers) = @_;
    my $text = '';
    wait_until(sub {
        my $socket = $port =~ m{^/} ? IO::Socket::UNIX->new(Peer => $port) : IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port, Timeout => 5);
        return if !$socket;
        print {$socket} join "\r\n", "GET $path HTTP/1.1", (grep({ /^Host/ } @headers) ? () : 'Host: localhost'), @headers, '', '';
        local $/;
        $text = <$socket> // '';
        return length $text;
    }) or die "no answer from the page\n";
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($status) = $head =~ /\AHTTP\/1\.1 (\d+)/;
    return ($status, { map { lc($_->[0]) => $_->[1] } map { [ split /: /, $_, 2 ] } split /\r\n/, $head }, $body);
}

sub json { my ($port, $path) = @_; return JSON::PP::decode_json((get($port, $path))[2]) }

scene 'there is a page only if the file says so' => sub {
    my ($master, $port) = with_page(undef, server => server()->address);
    is +(get($port, '/metrics'))[0], 200, 'the metrics are there';
    is +(get($port, $_))[0], 404, "$_ is not" for '/', '/status.json', '/sessions.json';
};

scene 'totals name no user and no client' => sub {
    my $gone = server();
    my $address = $gone->address;
    $gone->close;
    my ($master, $port) = with_page('totals', -instances => [
        good => { listen => '127.0.0.1:0', server => server()->address },
        bad  => { listen => '127.0.0.2:0', server => $address },
        busy => { listen => '127.0.0.3:0', server => server(on => { PASS => "-ERR [SYS/TEMP] later\r\n" })->address } ]);
    # The history counts from its first point.
    ok wait_until(sub { @{ json($port, '/status.json')->{history}{sessions} } }), 'the history has begun';
    my $client = $master->client(to => '127.0.0.1', from => '127.0.0.77')->login('quagga');
    for my $to ('127.0.0.2', '127.0.0.3') {
        my $failed = $master->client(to => $to, from => '127.0.0.77');
        $failed->try_login('quagga');
        $failed->rest;
    }
    my ($status, $headers, $page);
    ok wait_until(sub { ($status, $headers, $page) = get($port, '/'); $page =~ />login-unavailable</ && $page =~ />connect-failed</ }), 'both failures';
    is $status, 200, 'the page';
    like $page, qr/<body data-page="totals">/, 'knows that there are no sessions';
    my ($plain) = $page =~ m{<noscript><main>(.*)</main></noscript>}s;
    like $plain, qr/<p>version \S+, up \S+<\/p>/, 'without JavaScript: version and time';
    unlike $plain, qr/last reload/, 'no reload has failed';
    like $plain, qr/<h2>\Q$_\E<\/h2><div class=scroll><table>/, "without JavaScript: $_, in a part that scrolls"
        for 'Each second of the last minute', 'Since the start', 'Why sessions ended', 'Certificates', 'Recent warnings';
    like $plain, qr/<tr><td>bad<\/td>(?:<td class=n>\d+<\/td>){9}<td class=n>1<\/td><\/tr>/, 'the totals of each instance';
    like $plain, qr/<td>warning<\/td><td><code>event=session<\/code><\/td>/, 'a warning without its pairs';
    my ($shown, $text);
    ok wait_until(sub { $text = (get($port, '/status.json'))[2]; $shown = JSON::PP::decode_json($text); $shown->{instances}[2]{ended}{'login-unavailable'} }), 'what has happened since then';
    is_deeply [ map { $_->{name} } @{ $shown->{instances} } ], [qw(good bad busy)], 'the instances';
    is $shown->{instances}[1]{ended}{'connect-failed'}, 1, 'reasons';
    is_deeply [ map { $_->{failures} } @{ $shown->{instances} } ], [ 0, 1, 1 ], 'failures, also by a server that refuses for now';
    is $shown->{instances}[0]{pools}[0]{sessions}, 1, 'numbers of sessions';
    is_deeply [ map { $_->{line} } @{ $shown->{warnings} } ], ['event=session'], 'a warning without its pairs';
    unlike $_, qr/quagga|127\.0\.0\.77/, 'no user and no client' for $page, $text;
    is +(get($port, '/sessions.json'))[0], 404, 'no sessions';
    ok scalar @{ $shown->{sandbox}{roles} }, 'what confines the processes';
    ok wait_until(sub { (json($port, '/status.json')->{history}{ended}{'connect-failed'} // 0) == 1 }, 30), 'reasons of the last minutes'
        or diag(explain(json($port, '/status.json')->{history}{ended}));
    expect_log(qw(configuration reload-failed));
    $master->change(nonsense => 1);
    $master->reload;
    ok wait_until(sub { (get($port, '/'))[2] =~ /<p class=bad>the last reload has failed/ }), 'without JavaScript: a reload that has failed';
    $client->quit;
};

scene 'sessions, headers and a page without JavaScript' => sub {
    my ($master, $port) = with_page('sessions', server => server()->address);
    my $client = $master->client->login($EVIL);
    my $other  = $master->client->login("j\xc3\xb6rg\xc3\xa9\xe2\x80\xae");
    my ($status, $headers, $page) = get($port, '/');
    my ($nonce) = $headers->{'content-security-policy'} =~ /\Adefault-src 'none'; script-src 'nonce-([0-9a-f]{32})'; style-src 'nonce-\1';/;
    ok $nonce, 'the policy has a nonce';
    like $headers->{'content-security-policy'}, qr/frame-ancestors 'none'/, 'no other page may frame it';
    is $headers->{'x-content-type-options'}, 'nosniff', 'the type is as said';
    isnt +(get($port, '/'))[1]{'content-security-policy'}, $headers->{'content-security-policy'}, 'each answer has another one';
    is_deeply [ $page =~ /<(?:script|style) ([^>]*)>/g ], [ ("nonce=\"$nonce\"") x 2 ], 'one style and one script, with the nonce';
    my ($markup) = $page =~ s/<script.*//sr;
    unlike $markup, qr/<[^>]*\s(?:on\w+|style|src|action)\s*=/i, 'no handler, no style and no source in a tag';
    unlike $page, qr{https?://(?!www\.w3\.org/2000/svg)}, 'nothing from elsewhere';
    cmp_ok length $page, '<', 64 * 1024, 'a page of ' . length($page) . ' octets';
    my ($plain) = $page =~ m{<noscript><main>(.*)</main></noscript>}s;
    like $page, qr{<noscript><meta http-equiv="refresh"}, 'without JavaScript it loads itself again';
    like $plain, qr/<td>&lt;script&gt;document\.title=&quot;taken&quot;&lt;\/script&gt;<\/td>/, 'a table with the user as text';
    like $plain, qr/<td>j\xc3\xb6rg\xc3\xa9\?<\/td>/, 'and as UTF-8, without its mark of direction';
    is_deeply [ sort map { $_->{user} } @{ json($port, '/sessions.json')->{sessions} } ], [ $EVIL, "j\x{f6}rg\x{e9}?" ], 'the JSON has the users';
    $other->quit;
    my $tag = (get($port, '/status.json'))[1]{etag};
    like $tag, qr/\A"[0-9a-f]+-[0-9a-f]+"\z/, 'the JSON has a tag';
    ok wait_until(sub { $tag = (get($port, '/status.json'))[1]{etag}; (get($port, '/status.json', "If-None-Match: $tag"))[0] == 304 }), 'who has it gets nothing';
    ok wait_until(sub { (get($port, '/status.json', "If-None-Match: $tag"))[0] == 200 }), 'until it has changed';
    for my $path ('/metrics', '/') {
        my $text = sub { return (get($port, $path))[2] =~ s/nonce="\w+"//gr };
        ok wait_until(sub { my $before = $text->(); $master->client->login('bert')->quit; $text->() eq $before }), "$path is kept for a moment";
        my $before = $text->();
        ok wait_until(sub { $text->() ne $before }), 'and made again';
    }
    ok wait_until(sub { my $history = json($port, '/status.json')->{history}; @{ $history->{sessions} } && $history->{running}[-1] == 1 }), 'the history goes on';
    for (['localhost' => 200], ["localhost:$port" => 200], ["127.0.0.1:$port" => 200], ['[::1]:80' => 200], ['evil.example' => 403], ['127.0.0.1.evil.example' => 403]) {
        is +(get($port, '/sessions.json', "Host: $_->[0]"))[0], $_->[1], "asked as $_->[0]";
    }
    $master->reload;
    cmp_ok scalar @{ json($port, '/status.json')->{history}{sessions} }, '>', 0, 'and is kept over a reload';
    $client->quit;
};

scene 'a UNIX socket with mode, owner and group' => sub {
    my $path   = directory(0755) . '/page';
    my @rights = is_root() ? (metrics_owner => 12345, metrics_group => 23456) : ();
    my $master = master(metrics_listen => $path, metrics_mode => '0660', status_page => 'totals', server => server()->address, @rights);
    my $is     = sub { my @stat = stat($_[0] // $path) or return 'none'; return sprintf '%04o %d %d', $stat[2] & 07777, @stat[ 4, 5 ] };
    my $owned  = is_root() ? '12345 23456' : "$> " . (split ' ', $))[0];
    is $is->(), "0660 $owned", 'its file';
    is_deeply [ map { (get($path, $_))[0] } '/metrics', '/', '/sessions.json' ], [ 200, 200, 404 ], 'what it serves';
    is +(get($path, '/', 'Host: mail.example'))[0], 200, 'a web server may pass the name on that it was asked by';
    SKIP: {
        my ($curl) = grep { defined } installed('curl') or skip 'curl is not installed', 1;
        like run([ $curl, '-s', '--unix-socket', $path, 'http://x/metrics' ])->{out}, qr/^pop3_proxy_/m, 'curl reads the metrics';
    }
    is_deeply [ grep { $_->{f}{text} =~ /password/ } log_lines('configuration') ], [], 'it needs no warning';
    my $inode = (stat $path)[1];
    $master->change(metrics_mode => '600')->reload;
    is $is->(), "0600 $owned", 'a reload changes its mode';
    is +(stat $path)[1], $inode, 'and keeps the socket';
    unlink $path or die "unlink: $!\n";
    $master->reload;
    is +(get($path, '/metrics'))[0], 200, 'a reload makes it again';
    my $other = "$path.other";
    $master->change(metrics_listen => $other)->reload;
    is +(get($other, '/metrics'))[0], 200, 'another path';
    is $is->(), 'none', 'and the old file is gone';
    my $port = free_port();
    $master->change(metrics_listen => "127.0.0.1:$port", metrics_mode => undef)->reload;
    is +(get($port, '/metrics'))[0], 200, 'a port';
    is $is->($other), 'none', 'and no file';
    $master->change(metrics_listen => $path, metrics_mode => '600')->reload;
    is +(get($path, '/metrics'))[0], 200, 'a path again';
    ok !IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port), 'and no port';
    $inode = (stat $path)[1];
    my $old = $master->process;
    my %known = map { $_->{pid} => 1 } log_lines('started');
    $master->after(sub { $master->signal('USR2') }, 'master-draining', 'upgrade-failed');
    my ($new) = grep { !$known{ $_->{pid} } } log_lines('started');
    $master->follow($new->{pid});
    is exit_code($old->wait), 0, 'the old server has ended';
    isnt +(stat $path)[1], $inode, 'the new one has a socket of its own';
    is +(get($path, '/metrics'))[0], 200, 'and serves';
    is $master->stop, 0, 'it ends';
    is_deeply [ map { $is->($_) } $path, "$path.new" ], [ 'none', 'none' ], 'and leaves no file';
};

# ---- a browser, by the pipe of its DevTools ----

package Browser {
    sub start {
        my ($class, $program) = @_;
        pipe my $their_in, my $our_out or die;
        pipe my $our_in, my $their_out or die;
        my $self = bless { number => 0, in => '', answers => {}, seen => [], out => $our_out, from => $our_in }, $class;
        $our_out->autoflush(1);
        $self->{process} = Pop3Test::Process::spawn(
            command => [ $program, qw(--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-extensions
                --disable-background-networking --remote-debugging-pipe), '--user-data-dir=' . main::directory(), 'about:blank' ],
            env => { HOME => main::directory() },
            fds => { 2 => main::IO_null(), 1 => main::IO_null(), 3 => $their_in, 4 => $their_out });
        Pop3Test::Loop::watch_read($our_in, sub { $self->readable });
        return $self;
    }
    sub readable {
        my ($self) = @_;
        if (!sysread $self->{from}, $self->{in}, 1 << 20, length $self->{in}) {
            Pop3Test::Loop::unwatch($self->{from});
            return;
        }
        while ($self->{in} =~ s/\A([^\0]*)\0//) {
            my $message = JSON::PP::decode_json($1);
            if (defined $message->{id}) { $self->{answers}{ $message->{id} } = $message }
            else                        { push @{ $self->{seen} }, $message }
        }
    }
    sub ask {
        my ($self, $method, %params) = @_;
        my $id = ++$self->{number};
        my $session = delete $params{sessionId} // $self->{session};
        print { $self->{out} } JSON::PP::encode_json({ id => $id, method => $method, params => \%params, ($session ? (sessionId => $session) : ()) }), "\0";
        Pop3Test::Loop::wait_until(sub { $self->{answers}{$id} }, 90) or die "the browser does not answer $method\n";
        my $answer = delete $self->{answers}{$id};
        die "$method: $answer->{error}{message}\n" if $answer->{error};
        return $answer->{result};
    }
    sub open {
        my ($self, $url) = @_;
        my $target = $self->ask('Target.createTarget', url => 'about:blank')->{targetId};
        $self->{session} = $self->ask('Target.attachToTarget', targetId => $target, flatten => JSON::PP::true)->{sessionId};
        $self->ask($_) for qw(Runtime.enable Log.enable Page.enable);
        $self->ask('Page.navigate', url => $url);
    }
    sub value {
        my ($self, $script) = @_;
        return $self->ask('Runtime.evaluate', expression => $script, returnByValue => JSON::PP::true)->{result}{value};
    }
    sub becomes {
        my ($self, $script, $wanted) = @_;
        my $last = '';
        return Pop3Test::Loop::wait_until(sub { $last = $self->value($script) // ''; $last =~ $wanted }, 60) || main::diag("$script: $last") && 0;
    }
    sub complaints {
        my ($self) = @_;
        return grep { $_->{method} =~ /\A(?:Runtime\.exceptionThrown|Runtime\.consoleAPICalled|Log\.entryAdded)\z/ } @{ $self->{seen} };
    }
    sub stop { my ($self) = @_; kill 'KILL', $self->{process}->pid; $self->{process}->wait; Pop3Test::Loop::unwatch($self->{from}); return }
}

sub IO_null { open my $null, '+<', '/dev/null' or die; return $null }

scene 'a browser shows sessions as they come and go' => sub {
    my ($program) = grep { defined } map { installed($_) } qw(chromium chromium-browser google-chrome);
    $program or plan(skip_all => 'chromium is not installed');
    my ($master, $port) = with_page('sessions', server => server()->address);
    my @clients = map { $master->client->login($_) } $EVIL, 'anna', "m\xc3\xbcller\xe2\x80\xae", 'bert';
    my $long = $master->client->login("\xc3\xb6" x 40);
    my $browser = Browser->start($program);
    $browser->open("http://127.0.0.1:$port/");
    my $users = q{[...document.querySelectorAll('#rows tr')].map(r => r.cells[0].textContent).sort().join('|')};
    ok $browser->becomes($users, qr/\A\Q$EVIL\E\|anna\|bert\|m\x{fc}ller\?\|\x{f6}{30}\x{2026}\z/), 'all sessions';
    is $browser->value('document.title'), 'pop3.proxy', 'the script in a name has not run';
    is $browser->value(q{document.querySelectorAll('#rows script').length}), 0, 'and is no element';
    is $browser->value(q{document.querySelectorAll('noscript main').length}), 0, 'the plain tables are not there';
    is $browser->value(q{document.querySelector('#pools tbody').rows[0].cells[3].textContent}), '5', 'the pool has them';
    $browser->value(q{const f = document.getElementById('filter'); f.value = 'ANNA'; f.dispatchEvent(new Event('input'))});
    is $browser->value($users), 'anna', 'the filter';
    is $browser->value(q{document.getElementById('count').textContent}), '1 of 5 sessions', 'says how many';
    my $filter = sub { $browser->value(qq{f.value = '$_[0]'; f.dispatchEvent(new Event('input'))}); return $browser->value($users) };
    is $filter->("M\x{dc}LLER"), "m\x{fc}ller?", 'the filter, with a letter that is not ASCII';
    is $filter->("mu\x{308}ller"), "m\x{fc}ller?", 'and with an accent of its own';
    is $filter->("\x{f6}" x 40), "\x{f6}" x 30 . "\x{2026}", 'the whole of a name that is cut';
    is $filter->("\x{f6}" x 29 . 'x'), '', 'not another one';
    is $filter->('anna'), 'anna', 'back to the first';
    $clients[1]->quit;
    ok $browser->becomes($users, qr/\A\z/), 'a session that ends goes from the page';
    $browser->value(q{f.value = ''; f.dispatchEvent(new Event('input'))});
    $browser->value(q{document.querySelector('#heads button').click()});
    is $browser->value(q{document.querySelector('#heads th').getAttribute('aria-sort')}), 'ascending', 'sorted by user';
    my $headings = sub { qq{[...document.querySelectorAll('#$_[0] th')].map(c => c.textContent).join('|')} };
    like $browser->value($headings->('instances')), qr/refused\|crashes\|pauses\|log lines lost/, 'what went wrong since the start';
    like $browser->value($headings->('reasons')), qr/\Areason\|last \d+ (?:s|min)\|\|\w+\z/, 'reasons of the last minutes, and of the instance';
    like $browser->value($headings->('sandbox')), qr/\Arole\|/, 'the sandbox';
    is exit_code($master->run_command('hold', 'walter', '600')->{status}), 0, 'a user is held';
    ok $browser->becomes(q{document.getElementById('holds').textContent}, qr/walter/, 'who is held');
    my $latest = $master->client->login('aaron');
    ok $browser->becomes($users, qr/\baaron\b/), 'a new one comes';
    ok $browser->becomes(q{String(document.querySelectorAll('.chart svg path.curve').length)}, qr/\A6\z/), 'six charts';
    $browser->ask('Emulation.setDeviceMetricsOverride', width => 400, height => 800, deviceScaleFactor => 1, mobile => JSON::PP::true);
    is $browser->value('document.documentElement.scrollWidth <= 400'), JSON::PP::true, 'at 400 pixels the page does not scroll sideways';
    $master->change(status_page => 'totals');
    $master->reload;
    ok $browser->becomes(q{document.getElementById('state').textContent}, qr/\Ano answer: HTTP 404\z/), 'what is taken away is said';
    my @complaints = grep { JSON::PP::encode_json($_) !~ /sessions\.json|ERR_CONNECTION/ } $browser->complaints;
    is_deeply \@complaints, [], 'no complaint in the console';
    $browser->stop;
    $_->quit for @clients[ 0, 2, 3 ], $long, $latest;
};

done;
