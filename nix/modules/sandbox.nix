# The service's sandbox. `CapabilityBoundingSet` and similar settings are "" and not []: home-manager drops empty lists.
let
  # Settings that need no namespace.
  syscalls = {
    LockPersonality = true;
    # The gateway does not generate code at run time.
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    # IPv4 and IPv6 for providers; UNIX for the journal, sd_notify and systemd's sockets.
    RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    # A forbidden system call fails instead of killing the process.
    SystemCallErrorNumber = "EPERM";
    SystemCallFilter = ["@system-service" "~@privileged @resources"];
    UMask = "0077";
  };

  # Settings that need a namespace. For a user service systemd also creates a user namespace.
  namespaces = {
    CapabilityBoundingSet = "";
    # Directories that every user can write to and that ProtectSystem does not protect.
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

  # For a user service. Settings without an effect there (IPAddressDeny, SocketBindDeny, DevicePolicy) are left out.
  # PrivateIPC is left out too: the process of ExecReload= runs in another user namespace than the service and cannot
  # join the service's IPC namespace (226/NAMESPACE in systemd 262).
  user = configDirectory:
    syscalls
    // namespaces
    // {
      # Homes are empty, with two exceptions. One is the directory of the configuration: a bind mount of the file itself
      # would keep the generation that was current at the start. The other is the sd_notify socket in the runtime
      # directory. The manager's own socket beside it stays hidden, so the service cannot start other units.
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
