let
  client = settings: {
    programs.claude-code = {
      enable = true;
      package = null;
    };
    services.moonrelay = {
      clients.claude-code.enable = true;
      inherit settings;
    };
  };
in {
  valid = client {agents.defaults.model = "kimi/kimi-for-coding";};
  invalid = client {};
  message = "services.moonrelay.clients.claude-code requires a default model";
}
