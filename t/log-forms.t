# SPDX-License-Identifier: BSD-2-Clause
#
# log_format = json: each line is an object, whatever clients send. The systemd journal gets the pairs as
# fields. log_privacy: networks for addresses, and hashes for names that match over reload and upgrade, also
# in the words of servers. The line of a dead worker has the hash of the whole name, or none.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use JSON::PP ();
use Socket qw(AF_UNIX SOCK_DGRAM pack_sockaddr_un);
use Pop3Test::Loop qw(watch_read unwatch);

# A server whose log the test does not get from its own collector: it is ready when it answers.
sub other_log {
    my ($env, %keys) = @_;
    my $path   = directory(0755) . '/pop3';
    my $master = master(server => server()->address, listen => $path, %keys, -start => 0);
    $master->{process} = Pop3Test::Process::spawn(command => $master->command_line, env => { POP3_PROXY_SYSLOG => '/no/such/socket', %$env });
    push @{ $master->{processes} }, $master->{process};
    wait_until(sub { $master->connect(to => $path) }) or die "the server does not start\n";
    $master->{to} = $path;
    return $master;
}

sub fetch { my ($master, $user) = @_; $master->client(to => $master->{to})->login($user)->quit; return }

# A socket in place of the journal's, and the list of what it gets.
sub journal {
    my $path = directory(0755) . '/journal';
    socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or die $!;
    bind $socket, pack_sockaddr_un($path) or die $!;
    chmod 0666, $path;
    my @got;
    watch_read($socket, sub { push @got, $_[0] // do { recv $socket, my $datagram, 65536, 0; $datagram } });
    return ($path, \@got, $socket);
}

sub fields { my ($datagram) = @_; return map { split /=/, $_, 2 } split /\n/, $datagram }

# What a client may call itself, and what of it a JSON line says.
my %NAME = (
    'joe'                  => 'joe',
    '123'                  => '123',
    '<script>"x\\y"'       => '<script>"x\\y"',
    "m\xc3\xbcller"        => "m\x{fc}ller",
    "\xe2\x80\xaertl"      => "\x{202e}rtl",
    "\xf0\x9f\x93\xac"     => "\x{1f4ec}",
    "\xff\xc3(\xed\xa0\x80" => '\\xff\\xc3(\\xed\\xa0\\x80',
    'a=b event=login'      => 'a=b event=login',
);

scene 'a JSON object a line, whatever users are called' => sub {
    my $file   = directory(0755) . '/log';
    my $master = other_log({}, log => $file, log_format => 'json');
    fetch($master, $_) for sort keys %NAME;
    ok wait_until(sub { (() = read_file($file) =~ /"event":"session".*"reason":"quit"/g) == keys %NAME }), 'a line for each session';
    my $text  = read_file($file);
    unlike $text, qr/[^\x20-\x7e\n]/, 'nothing but printable ASCII';
    my @lines = map { eval { JSON::PP::decode_json($_) } || die "not JSON: $_\n" } split /\n/, $text;
    my @ended = grep { $_->{event} eq 'session' && $_->{reason} eq 'quit' } @lines;
    is_deeply [ sort map { $_->{user} } @ended ], [ sort values %NAME ], 'all names';
    like $ended[0]{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\z/, 'time';
    is "$ended[0]{severity} $ended[0]{reason} $ended[0]{instance}", 'info quit main', 'severity and words';
    is $ended[0]{sni}, undef, 'an empty value is null';
    my ($raw) = grep { /"event":"session".*"reason":"quit"/ } split /\n/, $text;
    like $raw, qr/"$_":\d+(?:\.\d{3})?[,}]/, "$_ is a number" for qw(pid octets retrieved duration);
    like $text, qr/"user":"123"/, 'a name of digits is a text';
};

scene 'the journal gets fields' => sub {
    for my $format (qw(keyvalue json)) {
        my ($path, $got, $socket) = journal();
        my $master = other_log({ POP3_PROXY_JOURNAL => $path }, log_format => $format);
        fetch($master, 'a"b c');
        my $find = sub { (grep { /^POP3_EVENT=session$/m && /^POP3_USER=a/m } @$got)[0] };
        ok wait_until($find), "$format: the line comes";
        my %field = fields($find->());
        is "$field{PRIORITY} $field{SYSLOG_FACILITY} $field{SYSLOG_IDENTIFIER}", '6 2 pop3.proxy', 'what journald wants';
        is "$field{POP3_REASON} $field{POP3_USER}", 'quit a\\x22b\\x20c', 'pairs are fields, with one line each';
        like $field{MESSAGE}, qr/\Aevent=session session=\S+ /, 'the message is the line' if $format eq 'keyvalue';
        is JSON::PP::decode_json($field{MESSAGE})->{user}, 'a"b c', 'the message is an object' if $format eq 'json';
        unwatch($socket);
        $master->stop;
    }
};

scene 'log_privacy = short cuts addresses' => sub {
    my $master = master(-instances => [ four => { listen => '127.0.0.1:0' }, six => { listen => '[::1]:0' } ],
        server => server()->address, log_privacy => 'short');
    my $client = $master->client(to => '127.0.0.1')->login('anna');
    $client->quit;
    my $line = $master->session_of($client);
    is "$line->{client} $line->{user}", '127.0.0.0/24 anna', 'the network and the name';
    my $six = $master->client(to => '[::1]')->login('anna');
    $six->quit;
    is $master->session_of($six)->{client}, '::/48', 'the network of IPv6';
};

scene 'log_privacy = hashed hides names, and lines still match' => sub {
    my $name   = 'zebra.quagga@example.net';
    my $server = server();
    my $master = master(server => $server->address, log_privacy => 'hashed');
    my %seen;
    my $hash = sub {
        my $client = $master->client->login($_[0] // $name);
        $client->quit;
        return $master->session_of($client)->{user};
    };
    my $first = $hash->();
    like $first, qr/\A~[0-9a-f]{16}\z/, 'a hash of 64 bits';
    is $hash->(uc $name), $first, 'the same for capital letters';
    isnt $hash->("x$name"), $first, 'another one for another name';
    $master->reload;
    is $hash->(), $first, 'the same after a reload';
    my %known = map { $_->{pid} => 1 } log_lines('started');
    $master->after(sub { $master->signal('USR2') }, 'master-draining', 'upgrade-failed');
    my ($new) = grep { !$known{ $_->{pid} } } log_lines('started');
    ok $new, 'a new binary runs' or return;
    $master->follow($new->{pid});
    is $hash->(), $first, 'the same after an upgrade';
    $master->stop;
    $master->start;
    isnt $hash->(), $first, 'another one after a new start';
    is_deeply [ grep { /zebra/i } map { $_->{raw} } log_lines() ], [], 'no line has the name';
    is((grep { $_->{f}{user} && $_->{f}{user} eq $first } log_lines('login')) > 0, 1, 'the lines of the login have it too');
    ok scalar(grep { /USER zebra/ } map { $_->lines } $server->connections), 'the server gets the name';
};

# What servers say in place of the user's name, in their reply to PASS.
sub says { my ($user, $client) = @_; return "mailbox of $user from $client, <\U$user\E>, /var/mail/" . ($user =~ s/@.*//sr) }

scene 'log_privacy: what a server says of its user and his address' => sub {
    my %says;
    my $server = server(on => { PASS => sub { '-ERR [SYS/TEMP] ' . says($says{user}, '127.0.0.1') . "; [::FFFF:127.0.0.1]:110 from 127.0.0.12\r\n" } });
    my $text = sub {
        my ($privacy, $user) = @_;
        $says{user} = $user;
        my $master = master(server => $server->address, log_privacy => $privacy);
        my $client = $master->client;
        $client->greeting;
        $client->ask("USER $user");
        like $client->ask('PASS secret'), qr/\Q$user\E/, "$privacy: the client gets the words as they are";
        my $line = $master->session_of($client);
        $master->stop;
        return ($line->{text} =~ s/\A"(.*)"\z/$1/sr, $line->{user});
    };
    my $tail = '; [::FFFF:%s]:110 from 127.0.0.12';
    my ($words) = $text->(full => 'zebra@example.net');
    is $words, '-ERR [SYS/TEMP] ' . says('zebra@example.net', '127.0.0.1') . sprintf($tail, '127.0.0.1'), 'full: all of it';
    ($words) = $text->(short => 'zebra@example.net');
    is $words, '-ERR [SYS/TEMP] ' . says('zebra@example.net', '127.0.0.0/24') . sprintf($tail, '127.0.0.0/24'), 'short: the network';
    for my $user ('zebra@example.net', 'zoe', 'mmmm' x 25) {
        ($words, my $hash) = $text->(hashed => $user);
        like $hash, qr/\A~[0-9a-f]{16}\z/, 'hashed: a hash';
        unlike $words, qr/zebra|zoe|mmmm/i, 'hashed: no name';
        like $words, qr/ \Q$hash\E from 127\.0\.0\.0\/24, <\Q$hash\E>, \/var\/mail\/\Q$hash\E/, 'hashed: the hash of the line';
    }
};

scene 'log_privacy: the line of a dead worker matches those of the user' => sub {
    expect_log('worker-died');
    my $server = server();
    my $dots = '\xe2\x80\xa6';   # as the log writes them
    for my $row ([ full => 'm' x 70, 'm' x 60 . $dots ], [ full => "j\xc3\xb6rg", 'j\xc3\xb6rg' ], map { [ hashed => $_ ] } 'anna', 'm' x 70, "j\xc3\xb6rg", 'x?y', "a\x9b") {
        my ($privacy, $user, $wanted) = @$row;
        my $master = master(server => $server->address, log_privacy => $privacy, sessions_per_worker => 1);
        $master->client->login($user);
        my $login = (log_lines('login'))[-1];
        my $death = $master->after(sub { kill 'KILL', $login->{pid} }, 'worker-died');
        like $login->{f}{user}, qr/\A~[0-9a-f]{16}\z/, 'a hash' if $privacy eq 'hashed';
        is $death->{f}{user}, $wanted // $login->{f}{user}, "$privacy: " . length($user) . ' octets';
        is $death->{f}{session}, $login->{f}{session}, 'the session';
        $master->stop;
    }
};

done;
