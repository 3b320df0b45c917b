# Makes this host have what sluicegate has assigned to it: exact versions, or none. Nothing is assigned to a host but by a
# deploy, a rollout or a resume of sluicegate.
#
# @param assigned
#   What Hiera finds in sluicegate/CERTNAME.yaml, which sluicegate writes: the intent that assigned it, and for each
#   component how it is installed. Empty on a host to which nothing was assigned yet: then this class does nothing.
# @param stamp
#   A file on the host that says which intent Puppet applied last. Its tag, which stands in each report, tells
#   sluicegate what the catalog was made of.
class sluicegate (
  Hash          $assigned = {},
  Pattern[/\A\//] $stamp    = '/etc/sluicegate.assigned',
) {
  if 'intent' in $assigned {
    tag("sluicegate-${assigned['intent']}")

    file { $stamp:
      ensure  => file,
      content => "Puppet applied what the intent ${assigned['intent']} of sluicegate assigned to this host.\n",
    }

    # One apt-get for each package is Puppet's way: a package that needs another one in the very same version gets it only
    # where that version is what apt would choose. And nobody else moves what was assigned.
    $packages = $assigned['components'].filter |String $component, Hash $how| { 'packages' in $how }
    if $facts['os']['family'] == 'Debian' and !empty($packages) {
      $pins = $packages.map |String $component, Hash $how| {
        if $how['version'] == 'absent' { '' } else {
          "Package: ${join($how['packages'], ' ')}\nPin: version ${how['version']}\nPin-Priority: 1001\n\n"
        }
      }
      file { '/etc/apt/preferences.d/sluicegate':
        ensure  => file,
        content => "# Written by Puppet: what sluicegate assigned.\n\n${join($pins, '')}",
      }
      File['/etc/apt/preferences.d/sluicegate'] -> Package <| tag == 'sluicegate::component' |>
    }

    $assigned['components'].each |String $component, Hash $how| {
      sluicegate::component { $component:
        * => $how,
      }
    }

    # What needs others was put after them by sluicegate, what goes away before.
    $assigned['components'].keys.reduce |String $before, String $after| {
      Sluicegate::Component[$before] -> Sluicegate::Component[$after]
      $after
    }
  }
}
