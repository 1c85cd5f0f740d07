"""What languages are called, in English and by those who speak them; for readers, never for data."""

from __future__ import annotations

_NAMES: dict[str, tuple[str, str]] = {
    "ar": ("Arabic", "العربية"),
    "bn": ("Bengali", "বাংলা"),
    "de": ("German", "Deutsch"),
    "el": ("Greek", "Ελληνικά"),
    "en": ("English", "English"),
    "es": ("Spanish", "español"),
    "fa": ("Persian", "فارسی"),
    "fi": ("Finnish", "suomi"),
    "fr": ("French", "français"),
    "hi": ("Hindi", "हिन्दी"),
    "id": ("Indonesian", "Indonesia"),
    "ja": ("Japanese", "日本語"),
    "ko": ("Korean", "한국어"),
    "ru": ("Russian", "русский"),
    "sw": ("Swahili", "Kiswahili"),
    "te": ("Telugu", "తెలుగు"),
    "th": ("Thai", "ไทย"),
    "tr": ("Turkish", "Türkçe"),
    "vi": ("Vietnamese", "Tiếng Việt"),
    "yo": ("Yoruba", "Yorùbá"),
    "zh": ("Chinese", "中文"),
}


def english_name(language: str) -> str:
    """Such as ``German`` for ``de``; the code itself for a language that is in none of our collections."""
    return _NAMES.get(language, (language, language))[0]


def own_name(language: str) -> str:
    """Such as ``Deutsch`` for ``de``, in the language's own script; the code itself for an unknown language."""
    return _NAMES.get(language, (language, language))[1]
