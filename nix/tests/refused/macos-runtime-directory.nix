{
  macos = true;
  good.services.moonrelay.credentials.KIMI_API_KEY = "%h/.secrets/kimi";
  bad.services.moonrelay.credentials.KIMI_API_KEY = "%t/agenix/kimi";
  says = "macOS has no %t";
}
