{paths, ...}: {
  "places that only the manager knows" = {
    actual = map paths.isOfManager ["%t/agenix/kimi" "%h/.secrets/kimi" "\${XDG_RUNTIME_DIR}/agenix/kimi" "~/kimi" "%d/kimi" "%hkimi" "kimi"];
    expected = [true true true false false false false];
  };
  "as systemd reads them" = {
    actual = map paths.forSystemd ["\${XDG_RUNTIME_DIR}/agenix/kimi" "%h/.secrets/kimi" "/run/secrets/100%"];
    expected = ["%t/agenix/kimi" "%h/.secrets/kimi" "/run/secrets/100%%"];
  };
  "as a shell reads them" = {
    actual = map paths.forShell ["%t/token" "%h/token" "\${XDG_RUNTIME_DIR}/token" "/run/token"];
    expected = ["\${XDG_RUNTIME_DIR}/token" "\${HOME}/token" "\${XDG_RUNTIME_DIR}/token" "/run/token"];
  };
  "where there is no runtime directory" = {
    actual = map (paths.inHome "/Users/alice") ["%h/token" "%t/token" "/etc/token"];
    expected = ["/Users/alice/token" null "/etc/token"];
  };
  "the store" = {
    actual = map paths.inStore ["${builtins.storeDir}/abc-key" "/run/key"];
    expected = [true false];
  };
}
