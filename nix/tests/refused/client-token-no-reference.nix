# Of aider's settings every word counts as it stands.
let
  client = settings: {
    programs.aider-chat = {
      enable = true;
      package = null;
      inherit settings;
    };
    services.moonrelay = {
      clients = {
        aider.enable = true;
        tokenFile = "/run/secrets/moonrelay";
      };
      settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
    };
  };
in {
  good = client {};
  bad = client {openai-api-key = "$ecret";};
  says = "programs.aider-chat.settings.openai-api-key is a token in plain text";
}
