/*
 * Services by server name: the domains of what enterprises talk to most. A name belongs to the longest domain here that it ends with. nDPI, where it is built in, knows
 * more of them; what stands here goes first.
 */
#include "packet/application.h"

/* In the order of their bytes (a unit test sees to it): they are found by bisection. */
static const struct host {
	const char *domain;
	uint16_t application;
} hosts[] = {
	{"1drv.ms", APPLICATION_ONEDRIVE},
	{"2mdn.net", APPLICATION_GOOGLE},
	{"aadcdn.microsoftonline-p.com", APPLICATION_MICROSOFT365},
	{"aadrm.com", APPLICATION_MICROSOFT365},
	{"aaplimg.com", APPLICATION_APPLE},
	{"aiv-cdn.net", APPLICATION_AMAZON_VIDEO},
	{"alexa.amazon.com", APPLICATION_AMAZON_ALEXA},
	{"amazon-adsystem.com", APPLICATION_AMAZON},
	{"amazon.co.uk", APPLICATION_AMAZON},
	{"amazon.com", APPLICATION_AMAZON},
	{"amazon.de", APPLICATION_AMAZON},
	{"amazonaws.com", APPLICATION_AMAZON_AWS},
	{"ampproject.org", APPLICATION_GOOGLE},
	{"android.clients.google.com", APPLICATION_PLAY_STORE},
	{"android.com", APPLICATION_GOOGLE},
	{"anydesk.com", APPLICATION_ANYDESK},
	{"apple-dns.net", APPLICATION_APPLE},
	{"apple.com", APPLICATION_APPLE},
	{"apple.news", APPLICATION_APPLE},
	{"apps.apple.com", APPLICATION_APPLE_STORE},
	{"appspot.com", APPLICATION_GOOGLE},
	{"attachments.office.net", APPLICATION_OUTLOOK},
	{"awsstatic.com", APPLICATION_AMAZON_AWS},
	{"azure.com", APPLICATION_AZURE},
	{"azureedge.net", APPLICATION_AZURE},
	{"azurewebsites.net", APPLICATION_AZURE},
	{"bamgrid.com", APPLICATION_DISNEY_PLUS},
	{"bing.com", APPLICATION_MICROSOFT},
	{"blogger.com", APPLICATION_GOOGLE},
	{"blogspot.com", APPLICATION_GOOGLE},
	{"cdninstagram.com", APPLICATION_INSTAGRAM},
	{"chrome.com", APPLICATION_GOOGLE},
	{"ciscospark.com", APPLICATION_WEBEX},
	{"citrix.com", APPLICATION_CITRIX},
	{"cloudapp.azure.com", APPLICATION_AZURE},
	{"cloudapp.net", APPLICATION_AZURE},
	{"cloudflare-dns.com", APPLICATION_DOH},
	{"cloudflare.com", APPLICATION_CLOUDFLARE},
	{"cloudfront.net", APPLICATION_AMAZON_AWS},
	{"config.office.net", APPLICATION_MICROSOFT365},
	{"deezer.com", APPLICATION_DEEZER},
	{"delivery.mp.microsoft.com", APPLICATION_WINDOWS_UPDATE},
	{"discord.com", APPLICATION_DISCORD},
	{"discord.gg", APPLICATION_DISCORD},
	{"discord.media", APPLICATION_DISCORD},
	{"discordapp.com", APPLICATION_DISCORD},
	{"discordapp.net", APPLICATION_DISCORD},
	{"disney-plus.net", APPLICATION_DISNEY_PLUS},
	{"disneyplus.com", APPLICATION_DISNEY_PLUS},
	{"dns.adguard.com", APPLICATION_DOH},
	{"dns.google", APPLICATION_DOH},
	{"dns.google.com", APPLICATION_DOH},
	{"dns.quad9.net", APPLICATION_DOH},
	{"docs.google.com", APPLICATION_GOOGLE_DOCS},
	{"doh.opendns.com", APPLICATION_DOH},
	{"doubleclick.net", APPLICATION_GOOGLE},
	{"download.microsoft.com", APPLICATION_WINDOWS_UPDATE},
	{"drive.google.com", APPLICATION_GOOGLE_DRIVE},
	{"dropbox.com", APPLICATION_DROPBOX},
	{"dropboxapi.com", APPLICATION_DROPBOX},
	{"dropboxstatic.com", APPLICATION_DROPBOX},
	{"dropboxusercontent.com", APPLICATION_DROPBOX},
	{"dzcdn.net", APPLICATION_DEEZER},
	{"ebay.com", APPLICATION_EBAY},
	{"ebaystatic.com", APPLICATION_EBAY},
	{"facebook.com", APPLICATION_FACEBOOK},
	{"facebook.net", APPLICATION_FACEBOOK},
	{"fb.com", APPLICATION_FACEBOOK},
	{"fbcdn.net", APPLICATION_FACEBOOK},
	{"fbsbx.com", APPLICATION_FACEBOOK},
	{"force.com", APPLICATION_SALESFORCE},
	{"ggpht.com", APPLICATION_YOUTUBE},
	{"github.com", APPLICATION_GITHUB},
	{"github.io", APPLICATION_GITHUB},
	{"githubassets.com", APPLICATION_GITHUB},
	{"githubusercontent.com", APPLICATION_GITHUB},
	{"gitlab.com", APPLICATION_GITLAB},
	{"gmail.com", APPLICATION_GMAIL},
	{"google-analytics.com", APPLICATION_GOOGLE},
	{"google.com", APPLICATION_GOOGLE},
	{"googleadservices.com", APPLICATION_GOOGLE},
	{"googleapis.com", APPLICATION_GOOGLE_SERVICES},
	{"googlesyndication.com", APPLICATION_GOOGLE},
	{"googletagmanager.com", APPLICATION_GOOGLE_SERVICES},
	{"googletagservices.com", APPLICATION_GOOGLE_SERVICES},
	{"googleusercontent.com", APPLICATION_GOOGLE},
	{"googlevideo.com", APPLICATION_YOUTUBE},
	{"googlezip.net", APPLICATION_GOOGLE},
	{"gstatic.com", APPLICATION_GOOGLE},
	{"guzzoni.apple.com", APPLICATION_APPLE_SIRI},
	{"gvt1.com", APPLICATION_GOOGLE_SERVICES},
	{"gvt2.com", APPLICATION_GOOGLE_SERVICES},
	{"gvt3.com", APPLICATION_GOOGLE_SERVICES},
	{"hockeyapp.net", APPLICATION_MICROSOFT},
	{"hotmail.com", APPLICATION_OUTLOOK},
	{"hulu.com", APPLICATION_HULU},
	{"icloud-content.com", APPLICATION_APPLE_ICLOUD},
	{"icloud.com", APPLICATION_APPLE_ICLOUD},
	{"icloud.com.akadns.net", APPLICATION_APPLE_ICLOUD},
	{"imap.gmail.com", APPLICATION_GMAIL},
	{"instagram.com", APPLICATION_INSTAGRAM},
	{"itunes.apple.com", APPLICATION_APPLE_ITUNES},
	{"itunes.com", APPLICATION_APPLE_ITUNES},
	{"jtvnw.net", APPLICATION_TWITCH},
	{"licdn.com", APPLICATION_LINKEDIN},
	{"linkedin.com", APPLICATION_LINKEDIN},
	{"live.com", APPLICATION_MICROSOFT},
	{"login.live.com", APPLICATION_MICROSOFT365},
	{"lync.com", APPLICATION_SKYPE_TEAMS},
	{"mail.google.com", APPLICATION_GMAIL},
	{"maps.google.com", APPLICATION_GOOGLE_MAPS},
	{"maps.googleapis.com", APPLICATION_GOOGLE_MAPS},
	{"maps.gstatic.com", APPLICATION_GOOGLE_MAPS},
	{"mask-h2.icloud.com", APPLICATION_ICLOUD_RELAY},
	{"mask.icloud.com", APPLICATION_ICLOUD_RELAY},
	{"media-amazon.com", APPLICATION_AMAZON},
	{"meet.google.com", APPLICATION_GOOGLE_MEET},
	{"messenger.com", APPLICATION_MESSENGER},
	{"microsoft.com", APPLICATION_MICROSOFT},
	{"microsoft.net", APPLICATION_MICROSOFT},
	{"microsoftonline-p.com", APPLICATION_MICROSOFT365},
	{"microsoftonline-p.net", APPLICATION_MICROSOFT365},
	{"microsoftonline.com", APPLICATION_MICROSOFT365},
	{"microsoftstream.com", APPLICATION_MICROSOFT365},
	{"mmg.whatsapp.net", APPLICATION_WHATSAPP_FILES},
	{"msauth.net", APPLICATION_MICROSOFT365},
	{"msecnd.net", APPLICATION_MICROSOFT},
	{"msftauth.net", APPLICATION_MICROSOFT365},
	{"msftconnecttest.com", APPLICATION_MICROSOFT},
	{"msftncsi.com", APPLICATION_MICROSOFT},
	{"msn.com", APPLICATION_MICROSOFT},
	{"msocdn.com", APPLICATION_MICROSOFT365},
	{"mzstatic.com", APPLICATION_APPLE_ITUNES},
	{"netflix.com", APPLICATION_NETFLIX},
	{"netflix.net", APPLICATION_NETFLIX},
	{"nflxext.com", APPLICATION_NETFLIX},
	{"nflximg.com", APPLICATION_NETFLIX},
	{"nflximg.net", APPLICATION_NETFLIX},
	{"nflxso.net", APPLICATION_NETFLIX},
	{"nflxvideo.net", APPLICATION_NETFLIX},
	{"nintendo.net", APPLICATION_NINTENDO},
	{"ntop.org", APPLICATION_NTOP},
	{"office.com", APPLICATION_MICROSOFT365},
	{"office.net", APPLICATION_MICROSOFT365},
	{"office365.com", APPLICATION_MICROSOFT365},
	{"officeapps.live.com", APPLICATION_MICROSOFT365},
	{"onedrive.com", APPLICATION_ONEDRIVE},
	{"onedrive.live.com", APPLICATION_ONEDRIVE},
	{"onenote.com", APPLICATION_MICROSOFT365},
	{"outlook.com", APPLICATION_OUTLOOK},
	{"outlook.office.com", APPLICATION_MICROSOFT365},
	{"outlook.office365.com", APPLICATION_MICROSOFT365},
	{"pastebin.com", APPLICATION_PASTEBIN},
	{"phobos.apple.com", APPLICATION_APPLE_ITUNES},
	{"pinimg.com", APPLICATION_PINTEREST},
	{"pinterest.com", APPLICATION_PINTEREST},
	{"play.google.com", APPLICATION_PLAY_STORE},
	{"play.googleapis.com", APPLICATION_PLAY_STORE},
	{"playstation.com", APPLICATION_PLAYSTATION},
	{"playstation.net", APPLICATION_PLAYSTATION},
	{"primevideo.com", APPLICATION_AMAZON_VIDEO},
	{"push.apple.com", APPLICATION_APPLE_PUSH},
	{"pv-cdn.net", APPLICATION_AMAZON_VIDEO},
	{"quantserve.com", APPLICATION_GOOGLE_ADS},
	{"redd.it", APPLICATION_REDDIT},
	{"reddit.com", APPLICATION_REDDIT},
	{"redditinc.com", APPLICATION_REDDIT},
	{"redditmedia.com", APPLICATION_REDDIT},
	{"redditstatic.com", APPLICATION_REDDIT},
	{"salesforce.com", APPLICATION_SALESFORCE},
	{"scdn.co", APPLICATION_SPOTIFY},
	{"scorecardresearch.com", APPLICATION_GOOGLE_ADS},
	{"sfbassets.com", APPLICATION_SKYPE_TEAMS},
	{"sharepoint.com", APPLICATION_MICROSOFT365},
	{"sharepointonline.com", APPLICATION_MICROSOFT365},
	{"sheets.google.com", APPLICATION_GOOGLE_DOCS},
	{"signal.org", APPLICATION_SIGNAL},
	{"siri.apple.com", APPLICATION_APPLE_SIRI},
	{"skyapi.live.net", APPLICATION_ONEDRIVE},
	{"skype.com", APPLICATION_SKYPE_TEAMS},
	{"skypeassets.com", APPLICATION_SKYPE_TEAMS},
	{"skypeecs.net", APPLICATION_SKYPE_TEAMS},
	{"skypeforbusiness.com", APPLICATION_SKYPE_TEAMS},
	{"slack-edge.com", APPLICATION_SLACK},
	{"slack-msgs.com", APPLICATION_SLACK},
	{"slack.com", APPLICATION_SLACK},
	{"slides.google.com", APPLICATION_GOOGLE_DOCS},
	{"smtp.gmail.com", APPLICATION_GMAIL},
	{"smtp.office365.com", APPLICATION_OUTLOOK},
	{"snapchat.com", APPLICATION_SNAPCHAT},
	{"sndcdn.com", APPLICATION_SOUNDCLOUD},
	{"soundcloud.com", APPLICATION_SOUNDCLOUD},
	{"spotify.com", APPLICATION_SPOTIFY},
	{"spotifycdn.com", APPLICATION_SPOTIFY},
	{"ssl-images-amazon.com", APPLICATION_AMAZON},
	{"statics.teams.cdn.office.net", APPLICATION_TEAMS},
	{"steamcommunity.com", APPLICATION_STEAM},
	{"steamcontent.com", APPLICATION_STEAM},
	{"steampowered.com", APPLICATION_STEAM},
	{"steamstatic.com", APPLICATION_STEAM},
	{"storage.googleapis.com", APPLICATION_GOOGLE_CLOUD},
	{"storage.live.com", APPLICATION_ONEDRIVE},
	{"swcdn.apple.com", APPLICATION_APPLE_STORE},
	{"swscan.apple.com", APPLICATION_APPLE_STORE},
	{"t.co", APPLICATION_TWITTER},
	{"t.me", APPLICATION_TELEGRAM},
	{"teams-msgapi.trafficmanager.net", APPLICATION_TEAMS},
	{"teams.cdn.office.net", APPLICATION_TEAMS},
	{"teams.live.com", APPLICATION_TEAMS},
	{"teams.microsoft.com", APPLICATION_TEAMS},
	{"teams.microsoft.us", APPLICATION_TEAMS},
	{"teams.office.com", APPLICATION_TEAMS},
	{"teamviewer.com", APPLICATION_TEAMVIEWER},
	{"telegram.me", APPLICATION_TELEGRAM},
	{"telegram.org", APPLICATION_TELEGRAM},
	{"tiktok.com", APPLICATION_TIKTOK},
	{"tiktokcdn.com", APPLICATION_TIKTOK},
	{"tiktokv.com", APPLICATION_TIKTOK},
	{"trafficmanager.net", APPLICATION_MICROSOFT},
	{"ttvnw.net", APPLICATION_TWITCH},
	{"tumblr.com", APPLICATION_TUMBLR},
	{"twimg.com", APPLICATION_TWITTER},
	{"twitch.tv", APPLICATION_TWITCH},
	{"twitter.com", APPLICATION_TWITTER},
	{"ubuntu.com", APPLICATION_UBUNTU_ONE},
	{"update.microsoft.com", APPLICATION_WINDOWS_UPDATE},
	{"viber.com", APPLICATION_VIBER},
	{"vimeo.com", APPLICATION_VIMEO},
	{"vimeocdn.com", APPLICATION_VIMEO},
	{"visualstudio.com", APPLICATION_MICROSOFT},
	{"wbx2.com", APPLICATION_WEBEX},
	{"webex.com", APPLICATION_WEBEX},
	{"wechat.com", APPLICATION_WECHAT},
	{"whatsapp.com", APPLICATION_WHATSAPP},
	{"whatsapp.net", APPLICATION_WHATSAPP},
	{"whispersystems.org", APPLICATION_SIGNAL},
	{"wikimedia.org", APPLICATION_WIKIPEDIA},
	{"wikipedia.org", APPLICATION_WIKIPEDIA},
	{"windows.com", APPLICATION_MICROSOFT},
	{"windows.net", APPLICATION_AZURE},
	{"windowsupdate.com", APPLICATION_WINDOWS_UPDATE},
	{"windowsupdate.microsoft.com", APPLICATION_WINDOWS_UPDATE},
	{"x.com", APPLICATION_TWITTER},
	{"xbox.com", APPLICATION_XBOX},
	{"xboxlive.com", APPLICATION_XBOX},
	{"yahoo.com", APPLICATION_YAHOO},
	{"yimg.com", APPLICATION_YAHOO},
	{"youtu.be", APPLICATION_YOUTUBE},
	{"youtube-nocookie.com", APPLICATION_YOUTUBE},
	{"youtube.com", APPLICATION_YOUTUBE},
	{"ytimg.com", APPLICATION_YOUTUBE},
	{"zoom.com", APPLICATION_ZOOM},
	{"zoom.us", APPLICATION_ZOOM},
	{"zoomgov.com", APPLICATION_ZOOM},
};

static int compare(const char *domain, struct weir_bytes name)
{
	int difference = strncmp(domain, (const char *)name.data, name.length);
	return difference ? difference : domain[name.length] != '\0';
}

static uint16_t find(struct weir_bytes name)
{
	size_t low = 0, high = sizeof hosts / sizeof hosts[0];

	while (low < high) {
		size_t middle = (low + high) / 2;
		int difference = compare(hosts[middle].domain, name);
		if (difference == 0)
			return hosts[middle].application;
		if (difference < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return APPLICATION_NONE;
}

/* Companies whose domains end in a country's name, or in one with "co." or "com." before it. */
static uint16_t find_country(struct weir_bytes name)
{
	static const struct { const char *label; uint16_t application; } labels[] = {
		{"google.", APPLICATION_GOOGLE}, {"amazon.", APPLICATION_AMAZON}, {"ebay.", APPLICATION_EBAY}, {"yahoo.", APPLICATION_YAHOO},
	};

	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		size_t length = strlen(labels[i].label);
		if (name.length > length && name.length <= length + 6 && memcmp(name.data, labels[i].label, length) == 0)
			return labels[i].application;
	}
	return APPLICATION_NONE;
}

static bool ends_with(struct weir_bytes name, const char *end)
{
	size_t length = strlen(end);
	return name.length > length && memcmp(name.data + name.length - length, end, length) == 0;
}

/* Domains of content networks, before which stands the name of whose content it is. */
static struct weir_bytes without_network(struct weir_bytes name)
{
	static const char *const networks[] = {
		".edgekey.net", ".edgesuite.net", ".akadns.net", ".akamaized.net", ".akamai.net", ".akamaiedge.net", ".cdn.cloudflare.net", ".fastly.net", ".fastlylb.net", ".cdngc.net",
		".llnwd.net", ".footprint.net", ".globalredir.akadns.net",
	};

	for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
		if (ends_with(name, networks[i]))
			return (struct weir_bytes){name.data, name.length - strlen(networks[i])};
	return name;
}

/* Microsoft's own names for machines of Teams in its cloud. */
static bool is_teams_machine(struct weir_bytes name)
{
	static const char *const clouds[] = {".trafficmanager.net", ".cloudapp.net"};

	for (unsigned i = 0; i < 2; i++)
		if (ends_with(name, clouds[i]))
			return memmem(name.data, name.length, "teams", 5) != NULL;
	return false;
}

uint16_t application_of_host(struct weir_bytes name)
{
	if (is_teams_machine(name))
		return APPLICATION_TEAMS;
	name = without_network(name);
	while (name.length) {
		uint16_t application = find(name);
		if (!application)
			application = find_country(name);
		if (application)
			return application;
		const uint8_t *dot = memchr(name.data, '.', name.length);
		if (!dot)
			break;
		name.length -= (size_t)(dot + 1 - name.data);
		name.data = dot + 1;
	}
	return APPLICATION_NONE;
}
