{
  valid.services.moonrelay.settings.logging.level = "warn";
  invalid.services.moonrelay.settings.logging.level = level: level;
}
