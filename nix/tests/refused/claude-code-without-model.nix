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
  good = client {agents.defaults.model = "kimi/kimi-for-coding";};
  bad = client {};
  says = "services.moonrelay.clients.claude-code needs the name of a model";
}
