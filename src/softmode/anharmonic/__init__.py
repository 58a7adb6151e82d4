"""Anharmonicity: sigma and its resolved forms, its uncertainty, the three classes and their confusion."""
