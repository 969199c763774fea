{paths, ...}: {
  "paths below a directory that only the manager knows are recognized" = {
    actual = map paths.isManagerPath ["%t/agenix/kimi" "%h/.secrets/kimi" "\${XDG_RUNTIME_DIR}/agenix/kimi" "~/kimi" "%d/kimi" "%hkimi" "kimi"];
    expected = [true true true false false false false];
  };
  "paths are written for systemd" = {
    actual = map paths.forSystemd ["\${XDG_RUNTIME_DIR}/agenix/kimi" "%h/.secrets/kimi" "/run/secrets/100%"];
    expected = ["%t/agenix/kimi" "%h/.secrets/kimi" "/run/secrets/100%%"];
  };
  "paths are written for a shell" = {
    actual = map paths.forShell ["%t/token" "%h/token" "\${XDG_RUNTIME_DIR}/token" "/run/token"];
    expected = ["\${XDG_RUNTIME_DIR}/token" "\${HOME}/token" "\${XDG_RUNTIME_DIR}/token" "/run/token"];
  };
  "%h is expanded, and a path below the runtime directory is null" = {
    actual = map (paths.expandHome "/Users/alice") ["%h/token" "%t/token" "/etc/token"];
    expected = ["/Users/alice/token" null "/etc/token"];
  };
  "a path in the store is recognized" = {
    actual = map paths.isInStore ["${builtins.storeDir}/abc-key" "/run/key"];
    expected = [true false];
  };
}
