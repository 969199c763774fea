# Every client, with a gateway that requires a token.
{
  home = {
    imports = [(import ../clients/case.nix).home];
    services.moonrelay = {
      clients.tokenFile = "\${XDG_RUNTIME_DIR}/agenix/moonrelay";
      credentials.MOONRELAY_TOKEN = "\${XDG_RUNTIME_DIR}/agenix/moonrelay";
      settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
    };
  };
}
