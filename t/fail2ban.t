# SPDX-License-Identifier: BSD-2-Clause
#
# The filters of contrib/fail2ban and contrib/crowdsec read what the program logs: they find the
# addresses of failed logins and of attacks, and no others. Names of users, words of servers and lines of
# other programs that look like a line of the log change nothing.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tables qw(rows);

my $contrib = "$FindBin::Bin/../contrib";
my $filter  = "$contrib/fail2ban/filter.d/pop3-proxy.conf";

# What looks like a failed login of 203.0.113.NUMBER.
sub forged { my ($number) = @_; return "event=session session=a instance=main client=203.0.113.$number port=1 user=x reason=login-refused" }

# A client behind a load balancer, so that each has an address of its own.
sub visit {
    my ($master, $instance, $from, $do) = @_;
    my $client = $master->client(to => $instance);
    $client->send("PROXY TCP" . ($from =~ /:/ ? "6 $from 2001:db8::ffff" : "4 $from 192.0.2.255") . " 4711 110\r\n");
    $do->($client);
    $client->rest;
    return;
}

sub refused { my ($user) = @_; return sub { my ($client) = @_; $client->try_login($user) } }
sub says    { my (@octets) = @_; return sub { my ($client) = @_; $client->greeting; $client->send(@octets) } }

my %FAILED;     # address => reason
my %ATTACK;
my @lines;

scene 'sessions of every kind' => sub {
    my $server = server(password => 'right', on => {
        PASS => sub { $_[1] eq 'right' ? "+OK in\r\n" : $_[1] eq 'busy-one' ? "-ERR [SYS/TEMP] busy reason=login-refused \r\n" : "-ERR no client=203.0.113.5 reason=login-refused " . forged(6) . "\r\n" } });
    secret($_) for qw(wrong-one busy-one);
    my $deny   = acp('exit 1');
    my $table  = write_file(directory() . '/table', "known 127.0.0.1\n");
    my $master = master(-in_file => 1, proxy_protocol => 'v1', proxy_protocol_from => '127.0.0.0/8', -instances => [
        main  => { listen => '127.0.0.1:0', server => $server->address },
        tight => { listen => '127.0.0.4:0', server => $server->address, login_failures => 1 },
        acp   => { listen => '127.0.0.2:0', server => $server->address, acp => $deny },
        table => { listen => '127.0.0.3:0', server => '-', route => "file:$table" } ]);
    my $quit = sub { my ($client) = @_; $client->send_line('QUIT') };
    visit($master, '127.0.0.1', '192.0.2.1', sub { my ($client) = @_; $client->login('joe', 'right'); $quit->($client) });
    visit($master, '127.0.0.1', '192.0.2.2', sub { my ($client) = @_; $client->login(forged(1), 'right'); $quit->($client) });
    visit($master, '127.0.0.1', '192.0.2.3', sub { my ($client) = @_; $client->greeting; $quit->($client) });
    visit($master, '127.0.0.1', '192.0.2.4', sub { my ($client) = @_; $client->try_login('joe', 'busy-one') });
    %FAILED = ('192.0.2.10' => 'login-refused', '192.0.2.11' => 'login-refused', '2001:db8::10' => 'login-refused',
        '192.0.2.12' => 'access-denied', '192.0.2.13' => 'unknown-user', '192.0.2.14' => 'too-many-failures');
    visit($master, '127.0.0.1', $_, refused('joe')) for '192.0.2.10', '2001:db8::10';
    visit($master, '127.0.0.1', '192.0.2.11', refused(qq(joe" ) . forged(2)));
    visit($master, '127.0.0.2', '192.0.2.12', refused('x client=203.0.113.3 port=1'));
    visit($master, '127.0.0.3', '192.0.2.13', refused(forged(4)));
    # After one failed login the address is refused, and further refusals are counted together.
    visit($master, '127.0.0.4', '192.0.2.14', refused('joe'));
    ok wait_until(sub {
        visit($master, '127.0.0.4', '192.0.2.14', sub { my ($client) = @_; $client->send_line('QUIT') if $client->reply =~ /^\+OK/ });
        return read_file("$master->{directory}/log") =~ /event=repeated of=session instance=\S+ reason=too-many-failures client=192/;
    }), 'refused connections are counted together';
    %ATTACK = ('192.0.2.20' => 'not-pop3', '192.0.2.21' => 'too-many-refused-commands', '192.0.2.22' => 'line-too-long',
        '192.0.2.24' => 'tls-to-clear-port');
    visit($master, '127.0.0.1', '192.0.2.20', says("GET / HTTP/1.0\r\n\r\n"));
    visit($master, '127.0.0.1', '192.0.2.21', says(map { "HELP\r\n" } 1 .. 6));
    visit($master, '127.0.0.1', '192.0.2.22', says('x' x 70_000));
    visit($master, '127.0.0.1', '192.0.2.24', says("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" . "\0" x 154));
    $master->stop;
    @lines = split /^/, read_file("$master->{directory}/log");
    my %ended = map { / client=(\S+) .*? reason=(\S+)/ ? ($1 => $2) : () } grep { / event=session / && !/ reason=quit/ } @lines;
    is_deeply { map { $_ => $ended{$_} } keys %FAILED, keys %ATTACK }, { %FAILED, %ATTACK }, 'the log has each of them';
    is $ended{'192.0.2.4'}, 'login-unavailable', 'and a login that the server could not decide about';
    like join('', @lines), qr/203\.0\.113\.$_/, "and the forgery $_" for 1 .. 6;
    push @lines, map { "2026-11-28T20:15:30.123+01:00 info other[1]: said pop3.proxy[2]: $_\n" } forged(7);
    push @lines, map { "2026-11-28T20:15:30.123+01:00 info pop3.proxy[2]: event=acp-output session=a text=\"$_\"\n" } forged(8);
};

# The same lines as a syslog daemon writes them.
sub by_syslog { return map { s/\A\S+ \w+ /Nov 28 20:15:30 gateway.example.net /r } @_ }

my %formats = (file => \@lines, syslog => [ by_syslog(@lines) ]);

# The addresses that fail2ban finds in lines.
sub banned {
    my ($mode, @text) = @_;
    my $log    = write_file(directory() . '/log', join '', @text);
    my $result = run([ 'fail2ban-regex', '-o', 'ip', $log, $filter . "[mode=$mode]" ], limit => 60);
    die "fail2ban-regex: $result->{out}$result->{err}\n" if $result->{status};
    my %found;
    $found{$_}++ for split ' ', $result->{out};
    return \%found;
}

scene 'fail2ban' => sub {
    installed('fail2ban-regex') or plan(skip_all => 'fail2ban is not installed');
    for my $format (sort keys %formats) {
        my $found = banned('normal', @{ $formats{$format} });
        is_deeply [ sort keys %$found ], [ sort keys %FAILED ], "$format: failed logins";
        cmp_ok $found->{'192.0.2.14'}, '>=', 3, "$format: a failed login, a refusal, and the count of further ones";
        is_deeply [ sort keys %{ banned('aggressive', @{ $formats{$format} }) } ], [ sort keys %FAILED, keys %ATTACK ], "$format: and attacks";
    }
};

# CrowdSec's pattern in Perl; what it calls a message has no prefix of a syslog daemon.
sub crowdsec_patterns {
    my %grok = (IP => '[0-9a-f:.]+', NOTSPACE => '\S+', TIMESTAMP_ISO8601 => '\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d');
    my $text = read_file("$contrib/crowdsec/parsers/s01-parse/pop3-proxy-logs.yaml");
    my @patterns = $text =~ /^ +pattern: '(.*)'$/mg;
    s/%\{(\w+):(\w+)\}/(?<$2>$grok{$1})/g, s/\(\?P</(?</g for @patterns;
    return @patterns;
}

scene 'CrowdSec' => sub {
    my ($failed, $repeated, $attack) = crowdsec_patterns();
    my %message = (file => \@lines, syslog => [ map { s/\A.*? pop3\.proxy\[\d+\]: //r } grep { / pop3\.proxy\[\d+\]:/ && !/other\[/ } @{ $formats{syslog} } ]);
    for my $format (sort keys %message) {
        my %found = map { /$failed/ ? ($+{source_ip} => $+{reason}) : () } @{ $message{$format} };
        is_deeply \%found, \%FAILED, "$format: failed logins";
        is scalar(grep { /$repeated/ && $+{source_ip} ne '192.0.2.14' } @{ $message{$format} }), 0, "$format: refusals that are counted";
        cmp_ok scalar(grep { /$repeated/ } @{ $message{$format} }), '>', 0, "$format: they are found";
        %found = map { /$attack/ ? ($+{source_ip} => $+{reason}) : () } @{ $message{$format} };
        is_deeply \%found, \%ATTACK, "$format: attacks";
    }
};

scene 'both name the failed logins of the table' => sub {
    my %properties = map { $_->[1] => $_->[3] } rows('session/outcome.def', 'OUTCOME');
    my $failed = join '|', sort grep { $properties{$_} =~ /\bFAILED_LOGIN\b/ } keys %properties;
    my $text   = read_file($filter);
    my ($normal)     = $text =~ /^_normal += (\S+)$/m;
    my ($aggressive) = $text =~ /^_aggressive = %\(_normal\)s\|(\S+)$/m;
    is join('|', sort split /\|/, $normal), join('|', sort(split(/\|/, $failed), 'too-many-failures')), 'fail2ban';
    is_deeply [ grep { !exists $properties{$_} } split /\|/, $aggressive ], [], 'there is every other reason';
    is_deeply [ map { /<reason>([^)]*)\)/ } crowdsec_patterns() ], [ $normal, 'too-many-failures', $aggressive ], 'CrowdSec: the same';
};

done;
