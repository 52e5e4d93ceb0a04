# SPDX-License-Identifier: BSD-2-Clause
#
# Dovecot's login proxy.
package Bench::Peers::Dovecot;

use strict;
use warnings;
use Bench::Peers::Config qw(config);

sub start {
    my ($at) = @_;
    my $self = getpwuid $>;
    my $user = $at->{user} ? '' : <<"END";      # not root: everything runs as one user, without chroot
default_internal_user = $self
default_login_user = $self
default_internal_group =
service anvil {
  chroot =
}
service stats {
  chroot =
}
END
    my $chroot = $at->{user} ? '' : "chroot =";
    my $tls = $at->{is_tls} ? "ssl = required\nssl_cert = <$at->{cert}\nssl_key = <$at->{key}"
                            : 'ssl = no';
    my $place = "host=$at->{server}";
    if ($at->{server_ca}) {
        $place .= ' ssl=any-cert';      # its login process cannot read a file of trusted certificates
        $at->{note}->('the certificate of the server is not checked');
        $tls = "ssl = yes\nssl_cert = <$at->{cert}\nssl_key = <$at->{key}" unless $at->{is_tls};
    }
    my ($plain_port, $tls_port) = $at->{is_tls} ? (0, $at->{port}) : ($at->{port}, 0);
    return ($at->{binary}, '-F', '-c', config($at, 'dovecot.conf', <<"END"));
base_dir = $at->{dir}/run
state_dir = $at->{dir}/state
instance_name = pop3bench
log_path = $at->{dir}/dovecot.log
info_log_path = /dev/null
protocols = pop3
listen = $at->{listen}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
default_client_limit = @{[2 * $at->{room}]}
default_process_limit = 200
$user
$tls
passdb {
  driver = static
  args = nopassword=y proxy=y $place port=$at->{server_port}
}
service pop3-login {
  inet_listener pop3 {
    port = $plain_port
  }
  inet_listener pop3s {
    port = $tls_port
    ssl = @{[$at->{is_tls} ? 'yes' : 'no']}
  }
  service_count = 0
  process_min_avail = $at->{cores}
  process_limit = $at->{cores}
  client_limit = $at->{room}
  vsz_limit = 0
  $chroot
}
END
}

1;
