/* What people are told before anything of theirs is kept. A change of its meaning takes a new
 * version, and everybody is asked again; until they answer, nothing new of theirs is kept. */
#ifndef DAEMON_HUMAN_NOTICE_H
#define DAEMON_HUMAN_NOTICE_H

enum { NOTICE_VERSION = 1 };

/* In the languages of the pages: one notice, so one version. */

#define NOTICE_TEXT                                                                                \
    "If you agree, what you type here and what the model answers is kept on this server. People "  \
    "may read and rate it, and models may be trained on it. Leave out what identifies you or "     \
    "others: e-mail addresses, numbers and secrets are searched for and left out of training, "    \
    "names and postal addresses are not. Nothing is kept unless you agree. You can change your "   \
    "choice, and delete what was kept, at any time."

#define NOTICE_TEXT_DE                                                                               \
    "Wenn du zustimmst, wird auf diesem Server aufbewahrt, was du hier eingibst und was das "        \
    "Modell antwortet. Menschen können es lesen und bewerten, und Modelle können damit trainiert " \
    "werden. Lass weg, was dich oder andere erkennbar macht: Nach E-Mail-Adressen, Nummern und "     \
    "Geheimnissen wird gesucht, und sie fehlen im Training; nach Namen und Postanschriften wird "    \
    "nicht gesucht. Ohne Zustimmung wird nichts aufbewahrt. Du kannst deine Wahl jederzeit "         \
    "ändern, und löschen, was aufbewahrt wurde."

#endif
