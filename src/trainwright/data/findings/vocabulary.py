"""Words by which column names speak of persons and units, in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish and the
Nordic languages. Without accents, small; what the checks compare with `words_of(name)`.
"""

from __future__ import annotations

import re
import unicodedata


def words_of(name: str) -> list[str]:
    """The words of a column's name, small and without accents: "Geburts-Datum", "customerID" → ["geburts", "datum"], ["customer", "id"]."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ł", "l").replace("ø", "o"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+", plain)]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYS = _set("id ids idcode uid uuid guid pid")  # anywhere in a name, they say that the column points at something
UNITS = _set(  # as the last word of a name, they say what it points at
    """patient subject person customer client user member household family student employee driver device machine vehicle store hospital
    participant respondent animal kunde patient patientennummer kundennummer cliente paciente utilisateur"""
)
ROW_NUMBER = _set("id index row rownames nr no number instant")

PERSONAL: tuple[tuple[str, frozenset[str]], ...] = (  # what, names without blanks; a column's name is one of them, or ends in one
    (
        "a person's name",
        _set(
            """firstname lastname surname fullname forename givenname familyname middlename maidenname personname customername patientname
            clientname username vorname nachname familienname geburtsname kundenname prenom nomfamille nomcomplet nombre apellido apellidos
            nombrecompleto cognome nomecompleto sobrenome voornaam achternaam imie nazwisko fornavn etternavn efternavn efternamn fornamn"""
        ),
    ),
    (
        "a birth date",
        _set(
            """dob birthdate dateofbirth birthday birthdt datebirth geburtsdatum geburtstag datenaissance datedenaissance fechanacimiento
            fechadenacimiento datanascita datadinascita datanascimento datadenascimento geboortedatum dataurodzenia fodselsdato
            fodelsedatum"""
        ),
    ),
    (
        "an address",
        _set(
            """streetaddress homeaddress postaladdress mailingaddress address street streetname strasse anschrift adresse rue direccion
            domicilio indirizzo endereco straatnaam adres ulica"""
        ),
    ),
    ("a mail address", _set("email emailaddress mail mailaddress emailadresse courriel correo correoelectronico")),
    (
        "a telephone number",
        _set(
            """phone phonenumber phoneno telephonenumber telephoneno mobile mobilenumber mobilephone cellphone telefon telefonnummer
            handynummer numerotelephone telefono celular telefone telefoonnummer numertelefonu"""
        ),
    ),
    (
        "a bank account or card",
        _set("""iban bankaccount accountiban kontonummer cardnumber ccnumber ccnum creditcardnumber creditcardno kreditkartennummer"""),
    ),
    (
        "a number of a person",
        _set(
            """ssn socialsecurity socialsecuritynumber socialsecurityno nationalid nationalidnumber nationalinsurance nino passport
            passportnumber passportno driverlicense driverslicense driverslicence licensenumber nhsnumber medicareno steuerid steuernummer
            sozialversicherungsnummer svnummer personalausweis ausweisnummer numerosecuritesociale nir dni nie nif codicefiscale cpf bsn
            pesel personnummer fodselsnummer cpr cprnummer henkilotunnus ahvnummer"""
        ),
    ),
)
BARE_NAME = _set("name names nom nome naam navn namn nimi")  # a person only if nearly each row has another
NOT_PERSONS = _set(
    """file product item brand street city country state county company business firm host class category model car event school column
    field drug medicine job dept department store shop hotel movie film song team species planet sample gene test group type dataset"""
)
ABOUT = _set(  # a fact about the thing, not the thing: "email_verified", "has_phone"
    "type flag verified valid has is length len count domain known given missing hash avg mean carrier provider service pct rate"
)

PROTECTED: tuple[tuple[str, frozenset[str]], ...] = (
    ("sex or gender", _set("sex gender geschlecht sexe sexo genero genre sesso geslacht plec kjonn female male woman women man")),
    ("race or ethnic origin", _set("race ethnic ethnicity ethnie hautfarbe raza etnia etnicidad razza raca skin herkunft tribe caste")),
    ("religion or belief", _set("religion religious faith belief konfession glaube religione religiao creed church")),
    ("age", _set("age ages alter edad eta idade leeftijd wiek alder agegroup ageband agecat senior seniorcitizen elderly")),
    (
        "nationality or origin",
        _set(
            """nationality citizenship foreign foreigner immigrant migrant staatsangehorigkeit nationalitat nationalite nacionalidad
            nazionalita birthplace"""
        ),
    ),
    ("disability or health", _set("disability disabled handicap behinderung discapacidad disabilita pregnant pregnancy schwanger")),
    ("family status", _set("marital familienstand married estadocivil spouse")),
    ("sexual orientation", _set("orientation lgbt lgbtq homosexual")),
    ("political opinion or union", _set("political politics party gewerkschaft")),
    ("language", _set("language mothertongue muttersprache")),
)
THINGS = _set("house housing building account car vehicle")  # whose age is no person's
