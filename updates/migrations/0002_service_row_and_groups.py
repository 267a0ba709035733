"""The service's one row, and the four groups that an organisation starts with."""

import sys

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

VIEW = [
    ("devices", "view_device"),
    ("devices", "view_devicetype"),
    ("devices", "view_testdevice"),
    ("updates", "view_package"),
    ("updates", "view_finding"),
    ("updates", "view_update"),
    ("updates", "view_updatefile"),
    ("updates", "view_unassignedfile"),
    ("updates", "view_ledgerentry"),
    ("updates", "view_delivery"),
]
OPERATE = [
    ("updates", "add_package"),
    ("devices", "add_testdevice"),
    ("devices", "change_testdevice"),
    ("devices", "delete_testdevice"),
]
APPROVE = [
    ("updates", "approve_update"),
    ("updates", "reject_update"),
    ("updates", "roll_back_update"),
]
ADMINISTER = [
    ("updates", "delete_update"),
    ("updates", "clear_files"),
    ("updates", "switch_offers"),
    ("auth", "view_user"),
    ("auth", "add_user"),
    ("auth", "change_user"),
    ("auth", "delete_user"),
    ("auth", "view_group"),
]
GROUPS = {
    "Viewers": VIEW,
    "Operators": VIEW + OPERATE,
    "Approvers": VIEW + APPROVE,
    "Administrators": VIEW + OPERATE + APPROVE + ADMINISTER,
}


def add(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    # Permissions are made after all migrations have run; the groups need them now.
    for label in ("auth", "devices", "updates"):
        config = apps.get_app_config(label)
        # Any module will do: only whether there is one is asked.
        config.models_module = sys.modules[__name__]
        create_permissions(config, apps=apps, using=alias, verbosity=0)
        config.models_module = None
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name, wanted in GROUPS.items():
        group, _created = group_model.objects.using(alias).get_or_create(name=name)
        for app_label, codename in wanted:
            group.permissions.add(
                permission_model.objects.using(alias).get(content_type__app_label=app_label, codename=codename)
            )
    apps.get_model("updates", "ServiceState").objects.using(alias).get_or_create(pk=1)


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GROUPS).delete()
    apps.get_model("updates", "ServiceState").objects.using(alias).all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("updates", "0001_initial"),
        ("devices", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(add, remove, elidable=False)]
