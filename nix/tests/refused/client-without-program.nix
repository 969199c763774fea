{
  good = {
    programs.codex = {
      enable = true;
      package = null;
    };
    services.moonrelay.clients.codex.enable = true;
  };
  bad.services.moonrelay.clients.codex.enable = true;
  says = "programs.codex.enable = true;";
}
