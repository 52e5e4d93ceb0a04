# SPDX-License-Identifier: BSD-2-Clause
#
# A private Dovecot on its own port of loopback, run as root or as the current user,
# with one mailbox whose messages the test chooses.

package Pop3Test::Dovecot;

use strict;
use warnings;
use IO::Socket::IP;
use Pop3Test::Client;
use Pop3Test::Loop qw(wait_until);
use Pop3Test::Process qw(spawn free_port);

our $USER     = 'reader';
our $PASSWORD = 'dovecot-losung';

sub program {
    for my $path ('/usr/sbin/dovecot', '/usr/local/sbin/dovecot', map { "$_/dovecot" } split /:/, $ENV{PATH}) {
        return $path if -x $path;
    }
    return;
}

# Starts it in $dir. @messages are octets with LF line ends; a hash among them has options.
# Dies if it does not answer within the limit. Returns undef if it is not installed.
# identity  made by Pop3Test::Tls: offers STLS, and TLS on ->tls_port
# more      further lines of configuration
sub start {
    my ($class, $dir, @messages) = @_;
    my $program = program() or return;
    my %option  = map { %$_ } grep { ref } @messages;
    @messages = grep { !ref } @messages;
    my $self = bless { dir => $dir, more => '', %option }, $class;
    $self->_write_mailbox(@messages);
    for (1 .. 5) {      # another program may take the port first
        $self->{$_} = free_port() for qw(port tls_port);
        _write("$dir/conf", $self->_configuration);
        open my $out, '>>', "$dir/out" or die "$dir/out: $!\n";
        $self->{process} = spawn(command => [ $program, '-F', '-c', "$dir/conf" ], fds => { 1 => $out, 2 => $out });
        return $self if wait_until(sub { !$self->{process}->is_running || $self->_answers }, 20)
            && $self->{process}->is_running;
        $self->stop;
    }
    local (@ARGV, $/) = ("$dir/out", undef);
    die 'Dovecot does not start: ' . <> . "\n";
}

sub port     { return $_[0]{port} }
sub tls_port { return $_[0]{tls_port} }

# The flags of each message in its mailbox, such as S for one that has been read.
sub flags {
    my ($self) = @_;
    return map { /:2,(\w*)\z/ ? $1 : 'new' } sort glob "$self->{dir}/mail/cur/* $self->{dir}/mail/new/*";
}

# Its own log so far.
sub log_text {
    my ($self) = @_;
    open my $file, '<', "$self->{dir}/dovecot.log" or return '';
    local $/;
    return <$file> // '';
}

sub stop {
    my ($self) = @_;
    $self->{process}->signal('TERM');
    $self->{process}->wait(5);
    $self->{process}->destroy;
    return;
}

# A client connected to it directly.
sub client {
    my ($self) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $self->{port}) or die "Dovecot: $@\n";
    return Pop3Test::Client->new($socket, name => 'direct', tcp => 1);
}

sub _answers {
    my ($self) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $self->{port}) or return;
    my $client = Pop3Test::Client->new($socket, name => 'probe');
    my $line   = eval { $client->greeting };
    $client->close;
    return $line;
}

sub _write {
    my ($path, $octets) = @_;
    open my $file, '>:raw', $path or die "$path: $!\n";
    print {$file} $octets;
    close $file or die "$path: $!\n";
    return;
}

# Under root the mailbox belongs to the user nobody, because Dovecot refuses mail of root.
sub _owner { return $> == 0 ? ((getpwnam 'nobody')[ 2, 3 ]) : ($>, $) + 0) }

sub _write_mailbox {
    my ($self, @messages) = @_;
    my ($uid, $gid) = _owner();
    my $mail = "$self->{dir}/mail";
    mkdir $_ or die "$_: $!\n" for $mail, map { "$mail/$_" } qw(cur new tmp);
    my $number = 0;
    for my $message (@messages) {
        _write(sprintf('%s/cur/%010d.M%dP1.test:2,', $mail, 1_600_000_000 + ++$number, $number), $message);
    }
    chown $uid, $gid, $mail, glob "$mail/* $mail/*/*";
    return;
}

sub _configuration {
    my ($self) = @_;
    my $dir = $self->{dir};
    my ($uid, $gid) = _owner();
    my $users = '';
    if ($> != 0) {
        my ($name, $group) = ((getpwuid $>)[0], (getgrgid $) + 0)[0]);
        $users = "default_internal_user = $name\ndefault_login_user = $name\ndefault_internal_group = $group\n";
    }
    my $identity = $self->{identity};
    my $tls = $identity
        ? "ssl = yes\nssl_cert = <$identity->{certificate}\nssl_key = <$identity->{key}\n"
        . "service pop3-login {\n  inet_listener pop3s {\n    port = $self->{tls_port}\n    ssl = yes\n  }\n}\n"
        : '';
    return <<"EOT" . $tls . $self->{more};
base_dir = $dir/run
state_dir = $dir/run
log_path = $dir/dovecot.log
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:$dir/mail
mail_fsync = never
first_valid_uid = 1
first_valid_gid = 1
pop3_uidl_format = %f
$users
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = $self->{port}
  }
  inet_listener pop3s {
    port = 0
  }
}
service anvil {
  chroot =
}
passdb {
  driver = static
  args = password=$PASSWORD
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$dir/mail
}
EOT
}

1;
