# What the service may do. `CapabilityBoundingSet` and the like are "", not [ ]: home-manager drops empty lists.
let
  # These need no namespace.
  syscalls = {
    LockPersonality = true;
    # Nothing here compiles at run time.
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    # Providers by IPv4 and IPv6; UNIX for the journal, readiness and sockets that systemd holds.
    RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    # A forbidden call fails instead of killing.
    SystemCallErrorNumber = "EPERM";
    SystemCallFilter = ["@system-service" "~@privileged @resources"];
    UMask = "0077";
  };

  # And these do: a user's manager makes a user namespace for them.
  namespaces = {
    CapabilityBoundingSet = "";
    # What everybody can write to, and ProtectSystem leaves.
    InaccessiblePaths = "-/dev/mqueue -/dev/shm -/run/lock";
    PrivateDevices = true;
    PrivatePIDs = true;
    PrivateTmp = true;
    PrivateUsers = true;
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
  };
in {
  inherit syscalls;

  # For a user's service. Directives that have no effect in one (IPAddressDeny, SocketBindDeny, DevicePolicy) are
  # left out, and so is PrivateIPC: the process of ExecReload= gets another user namespace than the service has, and
  # cannot join what belongs to that one (226/NAMESPACE in systemd 262).
  user = configDirectory:
    syscalls
    // namespaces
    // {
      # An empty home, with two exceptions. The directory of the configuration, not the file: a bound link would keep
      # the generation of the start. And the socket of sd_notify, which lies in the runtime directory; the manager's
      # own socket beside it stays hidden, so nothing inside can ask for another unit.
      ProtectHome = "tmpfs";
      BindReadOnlyPaths = "-${configDirectory} %t/systemd/notify";
    };

  # For a system service.
  system =
    syscalls
    // namespaces
    // {
      AmbientCapabilities = "";
      DeviceAllow = "";
      DevicePolicy = "closed";
      PrivateIPC = true;
      ProtectHome = true;
      RemoveIPC = true;
    };
}
