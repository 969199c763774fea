{
  valid = {
    programs.codex = {
      enable = true;
      package = null;
    };
    services.moonrelay.clients.codex.enable = true;
  };
  invalid.services.moonrelay.clients.codex.enable = true;
  message = "programs.codex.enable = true;";
}
