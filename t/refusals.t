# SPDX-License-Identifier: BSD-2-Clause
#
# A refused login: the words of a server without response codes decide what the client is told, whether
# it counts as a failed login, and what the log shows. A server that closes on a wrong password has
# refused it too. No word of a server brings a password into the log.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Server;

expect_reason(qw(server-closed server-lost server-refused server-bad-reply));

$Pop3Test::Server::FORWARDED{AUTH} = 1;

# The client's reply and the session's log line, if the server answers the command so.
sub refused {
    my ($verb, $line, %more) = @_;
    my $server = server(on => { $verb => $line }, anything_goes => 1);
    my $client = proxy(@{ $more{arguments} // [] }, $server->address)->client;
    my $reply  = $client->try_login($more{user} // 'joe', $more{password} // 'Sesam-77');
    $client->closes or die "the session does not end\n";
    return ($reply, $client->session_line);
}

my %told = (
    'Your mailbox is already locked'    => [ '[IN-USE] ',   'login-unavailable', 'IN-USE' ],
    'Mailbox Locked'                    => [ '[IN-USE] ',   'login-unavailable', 'IN-USE' ],
    'mail storage services unavailable, wait a few minutes and try again' =>
                                           [ '[SYS/TEMP] ', 'login-unavailable', 'SYS/TEMP' ],
    'Temporary authentication failure.' => [ '[SYS/TEMP] ', 'login-unavailable', 'SYS/TEMP' ],
    'your account is disabled'          => [ '',            'login-refused',     undef ],
    'over quota'                        => [ '',            'login-refused',     undef ],
);

scene 'the words of a refused password' => sub {
    for my $text (sort keys %told) {
        my ($start, $reason, $code) = @{ $told{$text} };
        my ($reply, $line) = refused(PASS => "-ERR $text\r\n");
        is $reply, "-ERR $start$text", 'the client is told';
        is $line->{reason}, $reason, 'reason';
        is $line->{code}, $code, 'code in the log';
        is $line->{text}, qq("-ERR $text"), 'the words in the log';
    }
    for my $text ('no', 'Invalid user name or password.', 'wrong password, try again later', '') {
        my ($reply, $line) = refused(PASS => "-ERR $text\r\n");
        is $reply, '-ERR [AUTH] bad login', "\"$text\" is a bad login";
        is "$line->{reason} $line->{code}", 'login-refused AUTH', 'in the log';
        is $line->{text}, qq("-ERR $text"), 'with its words';
    }
};

scene 'the same for AUTH, and for a login in one segment' => sub {
    my $server = server(on => { AUTH => "-ERR Mailbox Locked\r\n" }, anything_goes => 1);
    my $client = proxy('--server-auth', 'plain', $server->address)->client;
    is $client->try_login('joe', 'Sesam-77'), '-ERR [IN-USE] Mailbox Locked', 'AUTH';
    is $client->session_line->{text}, '"-ERR Mailbox Locked"', 'in the log';
    my @capa = (capa => [qw(USER PIPELINING)], pipelining => 1);
    $server = server(on => { PASS => "-ERR Mailbox Locked\r\n" }, @capa);
    $client = proxy($server->address)->client;
    is $client->try_login('joe', 'Sesam-77'), '-ERR [IN-USE] Mailbox Locked', 'one segment';
    is $client->session_line->{text}, '"-ERR Mailbox Locked"', 'in the log';
    $server = server(on => { USER => "-ERR Mailbox Locked\r\n" }, @capa);
    $client = proxy($server->address)->client;
    is $client->try_login('joe', 'Sesam-77'), '-ERR [AUTH] bad login', 'USER in one segment';
};

scene 'a refused user name looks like a wrong password' => sub {
    for my $text ('no such user', 'Mailbox Locked', 'try again later', 'disabled') {
        my ($reply, $line) = refused(USER => "-ERR $text\r\n");
        is $reply, '-ERR [AUTH] bad login', $text;
        is "$line->{reason} $line->{text}", qq(login-refused "-ERR $text"), 'the log has its words';
    }
};

scene 'server_words' => sub {
    my @all  = (arguments => [qw(--server-words all)]);
    my @none = (arguments => [qw(--server-words none)]);
    is + (refused(PASS => "-ERR no luck\r\n", @all))[0], '-ERR [AUTH] no luck', 'all: words that are not known';
    is + (refused(PASS => "-ERR Mailbox Locked\r\n", @all))[0], '-ERR [IN-USE] Mailbox Locked', 'all: known ones';
    is + (refused(PASS => "-ERR\r\n", @all))[0], '-ERR [AUTH] bad login', 'all: no words';
    is + (refused(USER => "-ERR no such user\r\n", @all))[0], '-ERR [AUTH] bad login', 'all: a user name';
    is + (refused(PASS => "-ERR no: Sesam-77\r\n", @all))[0], '-ERR [AUTH] bad login', 'all: not a password';
    my ($reply, $line) = refused(PASS => "-ERR Mailbox Locked\r\n", @none);
    is $reply, '-ERR [AUTH] bad login', 'none: no words are told';
    is "$line->{reason} $line->{text}", 'login-refused "-ERR Mailbox Locked"', 'none: the log has them';
    is + (refused(PASS => "-ERR [IN-USE] x\r\n", @none))[0], '-ERR [IN-USE] x', 'none: a response code passes';
};

scene 'response codes in the log' => sub {
    for my $code ('IN-USE', 'SYS/PERM', 'SYS/TEMP', 'LOGIN-DELAY', 'AUTH', 'X-OURS') {
        my ($reply, $line) = refused(PASS => "-ERR [$code] no\r\n");
        is "$line->{code} $line->{text}", qq($code "-ERR [$code] no"), $code;
    }
    my $greeting = "-ERR [SYS/PERM] go away\r\n";
    my $client = proxy(server(greeting => \$greeting)->address)->client;
    $client->try_login;
    is $client->session_line->{code}, 'SYS/PERM', 'of a greeting';
};

scene 'control octets in the words' => sub {
    my ($reply, $line) = refused(PASS => "-ERR locked\0\e[2J \"x\"\r\n");
    is $reply, '-ERR [IN-USE] locked??[2J "x"', 'are replaced';
    is $line->{text}, '"-ERR locked??[2J \x22x\x22"', 'in the log too';
    ($reply) = refused(PASS => '-ERR locked ' . 'x' x 498 . "\r\n");
    is length $reply, 510, 'a longest line is cut to the longest line';
};

scene 'words that repeat the password' => sub {
    my %repeat = (
        'as it is'        => sub { "-ERR wrong: $_[1]" },
        'in another case' => sub { '-ERR wrong: ' . uc $_[1] },
        'cut off'         => sub { '-ERR wrong: ' . substr $_[1], 0, 20 },
        'with words'      => sub { "-ERR mailbox locked: $_[1]" },
        'as a code'       => sub { "-ERR [$_[1]] no" },
    );
    my $password = secret("Sesam-oeffne-dich-$$");
    for my $how (sort keys %repeat) {
        my ($reply, $line) = refused(PASS => sub { $repeat{$how}->(@_) . "\r\n" }, password => $password);
        ok !exists $line->{text}, "$how: no words in the log" or diag($line->{text});
        is $line->{reason}, 'login-refused', 'a failed login';
        is $reply, '-ERR [AUTH] bad login', 'as the client is told' if $how ne 'as a code';
    }
    for my $length (300, 304, 310, 314) {
        my ($reply, $line) = refused(PASS => sub { '-ERR ' . 'y' x $length . " $_[1]\r\n" }, password => $password);
        ok !exists $line->{text}, "after $length octets, where the log cuts the line: no words either" or diag($line->{text});
    }
    my ($reply, $line) = refused(PASS => sub { "-ERR [IN-USE] locked, $_[1]\r\n" }, password => $password);
    is $line->{code} . (exists $line->{text} ? ' text' : ''), 'IN-USE', 'a response code is in the log without them';
    ($reply, $line) = refused(PASS => "-ERR account expired\r\n", password => 'x');
    is $line->{text}, '"-ERR account expired"', 'a password of one letter is not every letter';
};

scene 'words that repeat what AUTH was given' => sub {
    my $token = secret('ya29.Token-' . 'z' x 30 . $$);
    for my $answer ("-ERR no: $token\r\n", undef) {
        my $server = server(anything_goes => 1, on => { AUTH => sub { $answer // "-ERR unknown command AUTH $_[1]\r\n" } });
        for my $message ([ XOAUTH2 => "user=joe\x01auth=Bearer $token\x01\x01" ],
            [ OAUTHBEARER => "n,a=joe,\x01host=x\x01auth=bearer $token\x01\x01" ], [ PLAIN => "\0joe\0$token" ]) {
            my ($name, $data) = @$message;
            my $client = proxy('--server-auth', 'plain', $server->address)->client;
            $client->greeting;
            like $client->ask("AUTH $name " . b64($data)), qr/^-ERR/, "$name: refused";
            $client->quit if $name ne 'PLAIN';      # a refused token does not end the session
            $client->session_line;
            my @words = grep { $_->{pid} == $client->process->pid && exists $_->{f}{text} } log_lines();
            is scalar @words, 0, "$name: no words in the log" or diag($words[0]{raw});
        }
    }
};

scene 'a client does not choose the words' => sub {
    for my $user ('locked', 'disabled@example.org') {
        my ($reply) = refused(PASS => "-ERR no mailbox for $user\r\n", user => $user);
        is $reply, '-ERR [AUTH] bad login', $user;
    }
};

# How many of 30 logins reach the server before the brake stops them.
sub tries {
    my ($server, $pool, @credentials) = @_;
    my $master = master(server => $server->address, login_failures => 5, %$pool);
    my $tried  = 0;
    for (1 .. 30) {
        my $client = $master->client(from => '127.0.0.77');
        my $greeting = $client->line;
        next if $greeting !~ /^\+OK/;
        $client->send("USER joe\r\nPASS wrong\r\n");
        $tried++ if $client->rest !~ /too many failed/;
    }
    return $tried;
}

for my $many (1, 40) {
    my $pool = $many == 1 ? { workers => 2, sessions_per_worker => 1 } : { workers => 1, sessions_per_worker => 40 };

    scene "what counts as a failed login, $many a worker" => sub {
        my $limit = sub { my $begin = now(); my $tried = tries(@_); return ($tried, 5 + (now() - $begin) / 2 + 1) };
        for my $way ('close', 'reset') {
            my $hang_up = sub { my ($connection) = @_; $way eq 'close' ? $connection->close : $connection->reset; '' };
            my ($tried, $most) = $limit->(server(on => { PASS => $hang_up }), $pool);
            cmp_ok $tried, '<=', $most, "$way in place of a refusal";
            ($tried, $most) = $limit->(server(on => { USER => $hang_up }), $pool);
            is $tried, 30, "$way at USER is no failed login";
        }
        my ($tried, $most) = $limit->(server(on => { PASS => "-ERR no\r\n" }), $pool);
        cmp_ok $tried, '<=', $most, 'a wrong password';
        ($tried, $most) = $limit->(server(on => { PASS => "-ERR wrong password, try again\r\n" }), $pool);
        cmp_ok $tried, '<=', $most, 'a wrong password that may be tried again';
        is + ($limit->(server(on => { PASS => "-ERR $_\r\n" }), $pool))[0], 30, "$_: not" for 'Mailbox Locked', 'try again later';
    };
}

done;
